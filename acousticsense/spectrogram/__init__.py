"""From a waveform to what a network sees.

    waveform (n_samples,)
      -> spectrogram.log_spectrogram   float32 (bins, frames), row 0 the lowest frequency
      -> image.to_image                uint8 (3, S, S), low frequencies at the bottom
      -> FrontEnd.to_input             float32, what the network is fed

`windows.clip_images` does the first two for each window of a clip. The recipe, a `front_end.FrontEnd`, travels with
the weights and is read without PyTorch.
"""
