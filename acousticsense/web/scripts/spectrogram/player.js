// The player of a track: where it is, and how to move it.
// Gradio's player draws the waveform inside a shadow root; a long track plays in an ordinary audio element.
const findPlayer = (selector, trackSeconds) => {
  const box = document.querySelector(selector);
  if (!box) return null;
  const audio = box.querySelector("audio");
  if (audio && audio.currentSrc) {
    return { seconds: audio.currentTime, seek: (seconds) => { audio.currentTime = seconds; } };
  }
  const host = [...box.querySelectorAll("[id=waveform] > div")].find((element) => element.shadowRoot);
  const cursor = host && host.shadowRoot.querySelector("[part~=cursor]");
  if (!cursor || !trackSeconds) return null;
  return {
    seconds: (parseFloat(cursor.style.left || "0") / 100) * trackSeconds,
    seek: (seconds) => {
      const wrapper = host.shadowRoot.querySelector("[part~=wrapper]");
      const place = wrapper.getBoundingClientRect();
      const clientX = place.left + (place.width * seconds) / trackSeconds;
      wrapper.dispatchEvent(new MouseEvent("click", { clientX, clientY: place.top + 1, bubbles: true }));
    },
  };
};

const playerOf = (plot) => findPlayer(plot.view.dataset.player, Number(plot.view.dataset.trackS));

const seek = (plot, cell) => {
  const player = playerOf(plot);
  const seconds = plot.timeAt((cell.column + 0.5) / plot.columns);
  if (player && seconds <= Number(plot.view.dataset.endS)) player.seek(seconds);
};

// The playhead stands where the player is.
const follow = (plot) => {
  const player = playerOf(plot);
  const seconds = player ? player.seconds : 0;
  const x = plot.visibleX(plot.shareOfTime(seconds));
  const isShown = seconds > 0 && seconds <= Number(plot.view.dataset.endS) && x >= 0 && x <= 1;
  plot.playhead.hidden = !isShown;
  if (isShown) plot.playhead.style.left = `${(100 * x).toFixed(3)}%`;
};

// A segment of the whole song moves the player there.
document.addEventListener("click", (event) => {
  const part = event.target.closest("[data-as-hear]");
  if (!part) return;
  const player = findPlayer(".as-song", Number(part.closest("[data-track-s]").dataset.trackS));
  if (player) player.seek(Number(part.dataset.asHear));
});
