"""Every sentence of the web page, in English and Chinese, by key. `{name}` marks are filled in by `ui_text`."""

from __future__ import annotations

from typing import Final

from acousticsense.i18n.glossary import GLOSSARY

__all__ = ["GRADIO_LABELS", "UI_TEXTS", "ui_text"]

_HEADER: Final[dict[str, tuple[str, str]]] = {
    "title": ("AcousticSense", "AcousticSense"),
    "tagline": ("A song in, sixteen genre probabilities out", "输入一首歌，得到十六种流派的概率"),
    "link.api": ("REST API", "REST 接口"),
    "language.other": ("zh", "en"),
    "language.switch": ("中文", "English"),
    "theme.switch": ("Light or dark", "浅色或深色"),
    "drop": (
        "Drop it anywhere. Folders go to the Library, and so do several files unless a comparison is open.",
        "松手即可，放在页面任何位置都行。文件夹会进入“曲库”；多个文件也会进入“曲库”，或已打开的“版本对比”。",
    ),
    "folder.empty": (
        "Nothing in {names} is named like audio, so there is nothing to analyse.",
        "{names} 中没有音频文件，无可识别的内容。",
    ),
    "folder.unread": (
        "The folder could not be read. Drop it again, or choose it in the Library.",
        "无法读取文件夹。请重新拖入，或在“曲库”中选择。",
    ),
    "queue.place": ("Waiting: number {n} in the queue", "排队中：第 {n} 位"),
    "tab.classify": ("Classify", "识别流派"),
    "tab.ensemble": ("Ensemble", "多模型对比"),
    "tab.timeline": ("Timeline", "时间轴"),
    "tab.compare": ("Compare", "版本对比"),
    "tab.library": ("Library", "曲库"),
    "tab.similar": ("Similar", "相似歌曲"),
    "tab.models": ("Models", "模型"),
}

_KEYS: Final[dict[str, tuple[str, str]]] = {
    "keys.title": ("Keyboard shortcuts", "键盘快捷键"),
    "keys.1–9": ("Open a tab, from left to right", "从左到右打开标签页"),
    "keys.o": ("Choose a file", "选择文件"),
    "keys.c": ("Start what the tab does", "开始当前标签页的分析"),
    "keys.s": ("Stop it", "停止"),
    "keys.p": ("Play or pause", "播放或暂停"),
    "keys.t": ("Light or dark", "浅色或深色"),
    "keys.?": ("Show this list", "显示本列表"),
    "keys.drop": (
        "Files and folders can be dropped anywhere on the page, and files can be pasted.",
        "文件和文件夹可以拖到页面任何位置，文件也可以直接粘贴。",
    ),
    "keys.on": ("Use shortcuts", "启用快捷键"),
    "keys.close": ("Close", "关闭"),
}

#: What Gradio calls things that have no text, or calls in English only -> what they are called instead.
GRADIO_LABELS: Final[dict[str, tuple[str, str]]] = {
    "Adjust volume": ("Adjust volume", "调节音量"),
    "Adjust playback speed to {n}x": ("Adjust playback speed to {n}x", "播放速度调为 {n} 倍"),
    "Skip backwards by {n} seconds": ("Skip backwards by {n} seconds", "后退 {n} 秒"),
    "Skip forward by {n} seconds": ("Skip forward by {n} seconds", "前进 {n} 秒"),
    "Reset audio": ("Reset audio", "还原音频"),
    "undo": ("Undo", "撤销"),
    "Trim audio to selection": ("Trim audio to selection", "裁剪到选区"),
    "Upload file": ("Upload file", "上传文件"),
    "Record audio": ("Record audio", "录音"),
    "number input for {n}": ("number input for {n}", "{n}：数值"),
    "range slider for {n}": ("range slider for {n}", "{n}：滑块"),
    "Reset to default value": ("Reset to default value", "恢复默认值"),
    "common.upload": ("Add files", "添加文件"),
    "Click to upload or drop files": ("Choose files, or drop them here", "选择文件，或拖到这里"),
    "File upload": ("Choose files", "选择文件"),
    "Remove this file": ("Remove this file", "移除此文件"),
}

_INPUT: Final[dict[str, tuple[str, str]]] = {
    "audio.label": ("Song", "歌曲"),
    "duration.label": ("Seconds to analyse", "分析时长（秒）"),
    "offset.label": ("From second", "起点（秒）"),
    "whole.label": ("Whole track", "整首歌"),
    "model.label": ("Model", "模型"),
    "model.best": ("Best ({name})", "最准（{name}）"),
    "model.with": ("{name}, {what}", "{name}，{what}"),
    "model.image.mel": ("mel image", "梅尔频谱图"),
    "model.image.cqt": ("CQT image", "CQT 频谱图"),
    "model.image.chroma": ("chroma image", "色度频谱图"),
    "model.width.half": ("half its width", "二分之一宽度"),
    "model.width.quarter": ("a quarter of its width", "四分之一宽度"),
    "model.width.eighth": ("an eighth of its width", "八分之一宽度"),
    "model.width": ("{percent} of its width", "{percent} 宽度"),
    "model.growth": ("growth rate {rate}", "增长率 {rate}"),
    "model.most_right": (
        "{name}: {right} of {n} test recordings right, more than any other model here.",
        "{name}：{n} 段测试录音答对 {right} 段，多于这里的其他模型。",
    ),
    "model.tested": ("{name}: {right} of {n} test recordings right.", "{name}：{n} 段测试录音答对 {right} 段。"),
    "model.other_test": (
        "{name}: {right} of {n} recordings right in another test, so not to be compared with the others.",
        "{name}：另一项测试的 {n} 段录音答对 {right} 段，不能与其他模型直接比较。",
    ),
    "model.untested": ("{name}: not measured on test music.", "{name}：未在测试音乐上测量。"),
    "model.strongest": ("It finds {genres} best.", "最擅长识别{genres}。"),
    "model.and": (" and ", "和"),
    "classify": ("Classify", "开始识别"),
    "long_track": (
        "This is a long track, so it plays without a waveform and can't be cropped here. Choose the excerpt with the "
        "start and the seconds below.",
        "音频较长，为保持流畅不显示波形，也不能在此裁剪。请用下面的起点和时长选择片段。",
    ),
    "player.cannot_play": (
        "This browser cannot play the file. It is analysed all the same.",
        "此浏览器无法播放该文件，但仍可分析。",
    ),
    "examples.title": ("Or try one of these", "或试试这些示例"),
    "examples.missed": ("Really {genre}; the default model gets it wrong.", "其实是{genre}，默认模型会判错。"),
    "examples.play": ("Classify “{title}” by {artist}", "识别 {artist} 的《{title}》"),
}

_RESULT: Final[dict[str, tuple[str, str]]] = {
    "empty.title": ("What does it sound like?", "这是什么风格？"),
    "empty.body": (
        "Drop a song on the left, record one, or start with an example. Ten seconds are enough; choose which ones.",
        "在左侧拖入一首歌、录一段，或从示例开始。十秒就够，由你选择哪十秒。",
    ),
    "stopped.title": ("Stopped.", "已停止。"),
    "stopped.body": (
        "So there is no answer for this excerpt. “Classify” begins again.",
        "因此这段音乐没有结果。点击“开始识别”可重新开始。",
    ),
    "result.reading": ("Reading the file … {time}", "正在读取文件…… {time}"),
    "result.range": ("{start} to {end}", "{start} 至 {end}"),
    "result.range_of": ("{start} to {end} of {total}", "{start} 至 {end}，全长 {total}"),
    "result.meaning": (
        "{percent} is how probable the model finds {label}; the other genres share the rest.",
        "{percent} 是模型认为它属于{label}的概率，其余概率分给其他流派。",
    ),
    "result.stale": ("Settings changed: classify again", "设置已更改，请重新识别"),
    "result.silence": ("Silence", "静音"),
    "result.not_music": ("Speech or noise, not music", "语音或噪声，不是音乐"),
    "result.no_genre": (
        "So no genre is shown. Choose another excerpt if there is music elsewhere in the track.",
        "因此不显示流派。如果别处有音乐，请换一段。",
    ),
    "top.title": ("Top 5", "前五名"),
    "bars.title": ("All {n} genres", "全部 {n} 种流派"),
    "bars.by_name": ("Sort by name", "恢复固定顺序"),
    "bars.by_probability": ("Sort by probability", "按概率排序"),
    "health.title": ("About the recording", "关于这段录音"),
    "severity.info": ("Note", "提示"),
    "severity.warning": ("Warning", "注意"),
    "severity.error": ("Problem", "问题"),
    "identity": ("Analysed by", "识别模型"),
    "identity.hash": ("weights {hash}", "权重 {hash}"),
    "identity.hash_unknown": ("weights not recorded", "权重未登记"),
    "identity.timing": (
        "decode {decode} ms · spectrogram {spectrogram} ms · network {network} ms",
        "解码 {decode} 毫秒 · 频谱图 {spectrogram} 毫秒 · 网络 {network} 毫秒",
    ),
}

_SHARE: Final[dict[str, tuple[str, str]]] = {
    "share.copy": ("Copy", "复制"),
    "share.copied": ("Copied", "已复制"),
    "share.picture": ("Image", "存为图片"),
    "share.print": ("Print", "打印"),
    "share.line": ("{song} ({range}): {said}", "{song}（{range}）：{said}"),
    "share.genre": ("{genre} {percent}, {level}. Top 5: {top}.", "{genre} {percent}，{level}。前五名：{top}。"),
    "share.comma": (", ", "、"),
}

_HISTORY: Final[dict[str, tuple[str, str]]] = {
    "history.title": ("History", "历史记录"),
    "history.where": (
        "Kept in this browser only, without the sound.",
        "仅保存在此浏览器中，不保存声音。",
    ),
    "history.empty": ("What you classify is listed here.", "识别过的歌曲会列在这里。"),
    "history.from": ("from the history", "来自历史记录"),
    "history.changed": ("other settings", "设置不同"),
    "history.remove": ("Remove {song} from the history", "从历史记录中删除 {song}"),
    "history.remove_all": ("Remove all", "全部删除"),
    "history.sure": ("Remove the whole history?", "删除全部历史记录？"),
    "history.no_sound": (
        "As it was kept. The sound was not: drop the song again to read values and to see where the model looked.",
        "这是保存的图像。声音未保存：重新拖入歌曲，即可读取数值、查看模型关注了哪里。",
    ),
}

_SPECTROGRAM: Final[dict[str, tuple[str, str]]] = {
    "spectrogram.title": ("Spectrogram", "频谱图"),
    "spectrogram.caption": (
        "Time runs to the right, frequency upwards; the brighter, the louder.",
        "横轴为时间，纵轴为频率，越亮表示越响。",
    ),
    "spectrogram.caption_chroma": (
        "Time runs to the right, the twelve pitch classes upwards; the brighter, the louder.",
        "横轴为时间，纵轴为十二个音级，越亮表示越响。",
    ),
    "spectrogram.empty": ("The spectrogram of your song appears here.", "歌曲的频谱图会显示在这里。"),
    "spectrogram.alt": ("Spectrogram of {name}, {range}", "{name} 的频谱图，{range}"),
    "spectrogram.only_to_look": (
        "This view is for looking only: the model itself uses the {kind} spectrogram.",
        "此图仅供查看：模型依据的是{kind}频谱图。",
    ),
    "spectrogram.hint": (
        "Point to read values; click to move the player there. Zoom with Ctrl and the wheel, two fingers or + and −; "
        "drag to move. With the keyboard: arrows, +, −, 0, Enter.",
        "将光标移到图上可读取数值，点击可将播放器移到该处。按住 Ctrl 滚动滚轮、双指捏合或按 + 和 − 可缩放，拖动可平移。"
        "键盘：方向键、+、−、0、回车。",
    ),
    "spectrogram.download": ("Download PNG", "下载 PNG"),
    "spectrogram.input": ("Input {size} × {size}", "网络输入 {size} × {size}"),
    "kind.title": ("Image", "图像类型"),
    "kind.mel": ("Mel", "梅尔"),
    "kind.cqt": ("CQT", "CQT"),
    "kind.chroma": ("Chroma", "色度"),
    "zoom.in": ("Zoom in", "放大局部"),
    "zoom.out": ("Zoom out", "缩小"),
    "zoom.reset": ("Show all", "显示全部"),
    "spectrogram.enlarge": ("Full screen", "全屏"),
    "spectrogram.close": ("Close", "关闭"),
    "spectrogram.time": ("Time (s)", "时间（秒）"),
    "spectrogram.frequency": ("Frequency (Hz)", "频率（Hz）"),
    "spectrogram.pitch_class": ("Pitch class", "音级"),
    "spectrogram.level": ("dB below the loudest", "相对最响处的 dB"),
}

_TIMELINE: Final[dict[str, tuple[str, str]]] = {
    "window.label": ("Window (seconds)", "窗口（秒）"),
    "hop.label": ("A window every (seconds)", "窗口间隔（秒）"),
    "shortest.label": ("Shortest segment (seconds)", "最短分段（秒）"),
    "timeline.draw": ("Draw the timeline", "生成时间轴"),
    "timeline.stale": ("Settings changed: draw it again", "设置已更改，请重新生成"),
    "timeline.stop": ("Stop", "停止"),
    "timeline.empty": ("How does it change?", "流派如何变化？"),
    "timeline.empty.body": (
        "Drop a track on the left, even one of hours, and see which part has which genre. Click a place to hear it.",
        "在左侧拖入一段音频，几小时长也可以，看看每一段属于哪种流派。点击任意位置即可试听。",
    ),
    "timeline.running": ("Analysing …", "正在分析……"),
    "timeline.progress": ("{done} analysed", "已分析 {done}"),
    "timeline.progress_of": ("{done} of {total} analysed", "已分析 {done}，共 {total}"),
    "timeline.left": ("about {left} left", "大约还需 {left}"),
    "timeline.stopped": ("Stopped.", "已停止。"),
    "timeline.stopped.body": (
        "Nothing was kept. Draw it again, perhaps with longer steps.",
        "没有保留结果。可以重新生成，或先加大窗口间隔。",
    ),
    "timeline.no_music": ("No music found", "没有找到音乐"),
    "timeline.then": ("Then {others}.", "其次：{others}。"),
    "timeline.csv": ("Table (CSV)", "表格（CSV）"),
    "timeline.json": ("JSON", "JSON"),
    "timeline.labels": ("Audacity labels", "Audacity 标签"),
    "timeline.cue": ("Cue sheet", "CUE 文件"),
    "timeline.rekordbox": ("Rekordbox XML", "Rekordbox XML"),
    "timeline.slider": (
        "Place in the track; arrow keys move, Enter plays, plus and minus zoom",
        "播放位置；方向键移动，回车播放，加减号缩放",
    ),
    "timeline.zoom_out": ("Zoom out", "显示全部时段"),
    "timeline.caption": (
        "The higher a colour, the more probable its genre there. Short flickers are smoothed in the segments below. "
        "Drag to zoom in.",
        "颜色越高，该处属于这一流派的概率越大。下方的分段已平滑短暂的跳变。左右拖动可放大。",
    ),
    "timeline.hatched": ("Hatched segments are unsure.", "带斜纹的分段表示不确定。"),
    "timeline.few": ("{n} of {total} segments are shown.", "共 {total} 段，仅显示 {n} 段。"),
    "timeline.all": ("Show all", "显示全部"),
    "timeline.others": ("Others", "其他"),
    "timeline.segments": ("Segments", "分段"),
    "timeline.from": ("From", "起"),
    "timeline.to": ("To", "止"),
    "timeline.genre": ("Genre", "流派"),
    "timeline.probability": ("Probability", "概率"),
    "timeline.verdict": ("Verdict", "结论"),
    "timeline.play_from": ("Play from {place}", "从 {place} 播放"),
    "timeline.identity": (
        "{n} windows of {window} s, one every {hop} s, in {seconds} s",
        "{n} 个 {window} 秒的窗口，每 {hop} 秒一个，用时 {seconds} 秒",
    ),
}

_SONG: Final[dict[str, tuple[str, str]]] = {
    "song.title": ("The whole song", "整首歌"),
    "song.is.empty": (
        "After the answer for the first seconds, the rest of the song is analysed. Its genres along the time appear "
        "here.",
        "给出开头几秒的结果后，会继续分析整首歌，并在此显示各时段的流派。",
    ),
    "song.is.running": ("Analysing the whole song", "正在分析整首歌"),
    "song.is.long": (
        "This track is {total} long, too long to be analysed in the background ({limit} at most). The timeline can "
        "do it.",
        "音频全长 {total}，超过后台分析的上限 {limit}，可在“时间轴”中分析。",
    ),
    "song.is.too_long": (
        "This track is {total} long. A timeline can have {limit}: cut the file to see all of it.",
        "音频全长 {total}，超出时间轴的上限 {limit}。请先切分文件。",
    ),
    "song.is.stopped": (
        "Stopped. The answer above stands; the rest of the song was not analysed.",
        "已停止。以上结果仍然有效，其余部分未分析。",
    ),
    "song.button.open": ("Open in the timeline", "在时间轴中打开"),
    "song.button.again": ("Analyse the whole song", "分析整首歌"),
    "song.line": ("Whole song: {what}, {time}", "整首歌：{what}（{time}）"),
    "song.mostly": ("mostly {name}", "以{name}为主"),
    "song.throughout": ("{name} throughout", "全程{name}"),
    "song.several": ("no one genre; longest {name}", "没有主导流派，{name}最长"),
    "song.part": ("{part} of {total}", "{part} / {total}"),
    "song.part_s": ("{part} of {total} s", "{part} / {total} 秒"),
    "song.seconds": ("{n} s", "{n} 秒"),
    "song.silence": ("silence", "静音"),
    "song.not_music": ("speech or noise", "语音或噪声"),
    "song.more": ("{n} more", "另有 {n} 种"),
    "song.mean": ("Mean over its windows ({n}):", "各窗口（{n} 个）的平均："),
    "song.differs": (
        "{range} sounded like {part}, but the song as a whole is mostly {whole}.",
        "{range} 听起来像{part}，但整首歌以{whole}为主。",
    ),
    "song.differs_silence": (
        "{range} was silence, but the song as a whole is mostly {whole}.",
        "{range} 是静音，但整首歌以{whole}为主。",
    ),
    "song.differs_not_music": (
        "{range} was speech or noise, but the song as a whole is mostly {whole}.",
        "{range} 是语音或噪声，但整首歌以{whole}为主。",
    ),
}

_HEAT: Final[dict[str, tuple[str, str]]] = {
    "heat.title": ("Where the model looked", "模型关注了哪里"),
    "heat.offer": (
        "Choose a genre to see which parts of the spectrogram speak for it. It takes a little longer than the answer.",
        "选择一种流派，查看频谱图中哪些部分支持它。所需时间比识别稍长。",
    ),
    "heat.genres": ("Genre to explain", "要解释的流派"),
    "heat.means": (
        "Coloured places raise the model's probability for {label} ({percent}); the hottest lies around {place}. "
        "It shows what this model went by, which may be wrong, not what makes music {label}; and it is "
        "coarse: {cells} places a window.",
        "着色处提高了模型给{label}的概率（{percent}），颜色最亮处约在 {place}。"
        "它只说明该模型的依据（可能有误），并不说明什么是{label}；而且较粗略，每个窗口只分 {cells} 格。",
    ),
    "heat.place": ("{time} and {hz} Hz", "{time}、{hz} Hz"),
    "heat.short": ("In short: {words}.", "简言之：{words}。"),
    "heat.join": (", ", "，"),
    "heat.where.low": ("mostly low notes (below 250 Hz)", "主要看低音（250 Hz 以下）"),
    "heat.where.middle": ("mostly the middle (250 to 2,000 Hz)", "主要看中音（250 至 2000 Hz）"),
    "heat.where.high": ("mostly high sounds (above 2,000 Hz)", "主要看高音（2000 Hz 以上）"),
    "heat.where.spread": ("low, middle and high sounds together", "高、中、低音都看"),
    "heat.when.start": ("mostly near the beginning", "集中在开头"),
    "heat.when.middle": ("mostly in the middle", "集中在中段"),
    "heat.when.end": ("mostly near the end", "集中在结尾"),
    "heat.when.throughout": ("throughout", "贯穿始终"),
    "heat.when.places": ("in single places", "分散在几处"),
    "heat.nothing": (
        "Nothing in this image speaks for {label} ({percent}): what raises its probability is not in any one place.",
        "图中没有支持{label}（{percent}）的部分：它的概率并非来自某个具体位置。",
    ),
    "heat.some_windows": (
        "Only the {n} of {total} windows in which {label} is most probable are explained.",
        "共 {total} 个窗口，只解释{label}概率最高的 {n} 个。",
    ),
    "heat.opacity": ("Strength of the overlay", "叠加强度"),
    "heat.alt": ("Heat map for {label} over the spectrogram of {name}", "{name} 的频谱图上{label}的热力图"),
    "heat.download": ("Download PNG", "下载 PNG"),
}

_STEPS: Final[dict[str, tuple[str, str]]] = {
    "steps.title": ("What the network saw, step by step", "网络看到的内容：逐步说明"),
    "step.decode": ("Decode", "解码"),
    "step.decode.body": (
        "{duration} s from second {offset}, at {rate} Hz, {channels}.",
        "从第 {offset} 秒起取 {duration} 秒，采样率 {rate} Hz，{channels}。",
    ),
    "step.channels_1": ("one channel", "单声道"),
    "step.channels_n": ("{n} channels", "{n} 声道"),
    "step.resample": ("Mix and resample", "混合并重采样"),
    "step.resample.body": (
        "The mean of the channels at {rate} Hz: {samples} samples.",
        "各声道取平均，重采样到 {rate} Hz：共 {samples} 个采样点。",
    ),
    "step.looped": (
        "Shorter than a window of {window} s, so it repeats until the window is full.",
        "短于一个窗口（{window} 秒），因此循环重复，直到填满。",
    ),
    "step.mel": ("Log-mel spectrogram", "对数梅尔频谱图"),
    "step.mel.body": (
        "FFT of {n_fft} samples every {hop}, {bins} mel bands from {f_min} to {f_max} Hz, then "
        "log(power + {log_offset}): {bins} × {frames} values from {low} to {high}.",
        "每 {hop} 个采样点做一次 {n_fft} 点 FFT，{f_min} 至 {f_max} Hz 分成 {bins} 个梅尔带，"
        "再取 log(功率 + {log_offset})："
        "{bins} × {frames} 个数值，范围 {low} 至 {high}。",
    ),
    "step.cqt": ("Log constant-Q spectrogram", "对数常数 Q 频谱图"),
    "step.cqt.body": (
        "{bins} bins, {bins_per_octave} per octave, from {f_min} Hz every {hop} samples, then "
        "log(magnitude + {log_offset}): {bins} × {frames} values from {low} to {high}.",
        "从 {f_min} Hz 起 {bins} 个频点，每八度 {bins_per_octave} 个，每 {hop} 个采样点一帧，"
        "再取 log(幅度 + {log_offset})："
        "{bins} × {frames} 个数值，范围 {low} 至 {high}。",
    ),
    "step.figure": ("Spectrogram in decibels", "分贝频谱图"),
    "step.figure.body": (
        "{bins} bins every {hop} samples, in decibels below the maximum: "
        "{bins} × {frames} values from {low} to {high}.",
        "{bins} 个频带，每 {hop} 个采样点一帧，取相对最大值的分贝：{bins} × {frames} 个数值，范围 {low} 至 {high}。",
    ),
    "step.image": ("Image", "图像"),
    "step.image.body": (
        "Each window of {window} s is resized to {size} × {size} pixels and stretched to grey levels 0 to 255, the "
        "same in red, green and blue.",
        "每个 {window} 秒的窗口缩放为 {size} × {size} 像素，拉伸到 0 至 255 灰度，红绿蓝三个通道相同。",
    ),
    "step.image_figure.body": (
        "Each window of {window} s is coloured as in the original training images and resized to {size} × {size} "
        "pixels.",
        "每个 {window} 秒的窗口按原训练图片的配色着色，并缩放为 {size} × {size} 像素。",
    ),
    "step.image_values.body": (
        "This network is given the values themselves, {window} s a window. Below they are shown in grey, "
        "{size} × {size} pixels.",
        "该网络直接读取这些数值，每个窗口 {window} 秒。下图以灰度显示，{size} × {size} 像素。",
    ),
    "step.image.one": (
        "Below is exactly what goes in, pixel for pixel.",
        "下图就是送入网络的图像，逐像素一致。",
    ),
    "step.image.many": (
        "Below is exactly what goes in, pixel for pixel, {n} windows, each with its own best guess.",
        "下图就是送入网络的图像，逐像素一致，共 {n} 个窗口，各附其最佳判断。",
    ),
    "step.image.some": (
        "Below is exactly what goes in, pixel for pixel: {shown} of {n} windows, each with its own best guess.",
        "下图就是送入网络的图像，逐像素一致：展示 {n} 个窗口中的 {shown} 个，各附其最佳判断。",
    ),
    "step.image.alt": ("The image of {range}", "{range} 的图像"),
    "step.level": (
        "Each window is brought to a level of {level} dBFS, so that loudness does not matter.",
        "每个窗口都调整到 {level} dBFS 的电平，音量大小不影响结果。",
    ),
    "step.normalise": ("Normalise", "归一化"),
    "step.normalise.body": (
        "(value / 255 − {mean}) / {std} makes {shape} numbers from {low} to {high}.",
        "(数值 / 255 − {mean}) / {std}，得到 {shape} 个数，范围 {low} 至 {high}。",
    ),
    "step.normalise_values.body": (
        "(value − {mean}) / {std} makes {shape} numbers from {low} to {high}.",
        "(数值 − {mean}) / {std}，得到 {shape} 个数，范围 {low} 至 {high}。",
    ),
    "step.network": ("Predict", "预测"),
    "step.network.body": (
        "{architecture} answers with {outputs} numbers a window; a softmax at temperature {temperature} turns them "
        "into probabilities.",
        "{architecture} 对每个窗口给出 {outputs} 个数，经温度为 {temperature} 的 softmax 变为概率。",
    ),
    "step.network.mean": ("The windows are averaged.", "各窗口取平均。"),
    "step.network.majority": ("The windows are averaged, and each has one vote.", "各窗口取平均，并各投一票。"),
}

_ENSEMBLE: Final[dict[str, tuple[str, str]]] = {
    "ensemble.images": ("Spectrograms", "频谱图"),
    "ensemble.models": ("Models", "模型"),
    "ensemble.copies": ("Of models with the same weights, one is ticked.", "权重相同的模型只勾选了一个。"),
    "ensemble.go": ("Ask them all", "全部识别"),
    "ensemble.stale": ("Settings changed: ask them again", "设置已更改，请重新识别"),
    "ensemble.empty": ("Do they agree?", "它们意见一致吗？"),
    "ensemble.empty.body": (
        "Several models analyse the same excerpt. You get a table of what each says, what they say together, and where "
        "they split.",
        "多个模型分析同一段音乐：逐一列出各自的判断、共同的结论，以及分歧所在。",
    ),
    "ensemble.nobody": ("No model could answer.", "没有模型能给出结果。"),
    "ensemble.progress": ("{done} of {total} models are ready.", "已完成 {done} 个模型，共 {total} 个。"),
    "ensemble.in_memory": ("{n} models in memory, {megabytes} MB", "内存中有 {n} 个模型，{megabytes} MB"),
    "ensemble.state.loading": ("loading", "加载中"),
    "ensemble.state.analysing": ("analysing", "分析中"),
    "ensemble.state.done": ("done", "完成"),
    "ensemble.state.failed": ("failed", "失败"),
    "ensemble.agreement": ("Agreement {percent}", "一致度 {percent}"),
    "ensemble.agreement.title": (
        "How often two members, picked at random, put the same genre first",
        "任取两个模型，首选流派相同的概率",
    ),
    "ensemble.table": ("What each model says", "各模型的判断"),
    "ensemble.column.model": ("Model", "模型"),
    "ensemble.column.image": ("Spectrogram", "频谱图"),
    "ensemble.column.first": ("First", "第一"),
    "ensemble.column.second": ("Second", "第二"),
    "ensemble.column.third": ("Third", "第三"),
    "ensemble.column.time": ("Time", "用时"),
    "ensemble.column.memory": ("Memory", "内存"),
    "ensemble.row.failed": ("Could not answer.", "未能给出结果。"),
    "ensemble.row.beside": ("other labels, not averaged", "标签不同，不计入平均"),
    "ensemble.row.mean": ("Mean of all", "全部平均"),
    "ensemble.row.calibrated": ("Consensus, calibrated", "校准后的共识"),
    "ensemble.plot": ("The likeliest {n} genres, member by member", "最可能的 {n} 种流派：每个模型的判断"),
    "ensemble.plot.legend": (
        "Dots are members that use the mel spectrogram, rings those that use CQT; the line is the consensus.",
        "实心点表示使用梅尔频谱图的模型，圆环表示使用 CQT 频谱图的模型，竖线为共识。",
    ),
    "ensemble.plot.alt": ("Probabilities of {label}, member by member", "各模型给出的{label}概率"),
    "ensemble.guidance": ("Which model for what", "如何选择模型"),
    "ensemble.csv": ("Download CSV", "下载 CSV"),
    "ensemble.json": ("Download JSON", "下载 JSON"),
}

_LEVELS: Final[dict[str, tuple[str, str]]] = {
    "levels.title": ("How far to trust a verdict", "结论的可信程度"),
    "levels.intro": (
        "What each verdict takes with {model}, and how often it was right on real test music.",
        "{model} 各结论的条件，以及在真实测试音乐上的正确率。",
    ),
    "levels.verdict": ("Verdict", "结论"),
    "levels.condition": ("When", "条件"),
    "levels.right": ("Right", "正确"),
    "levels.wrong": ("Wrong", "错误"),
    "levels.top": ("best genre at {percent} or more", "最高概率不低于 {percent}"),
    "levels.sum": ("two best together at {percent} or more", "前两名之和不低于 {percent}"),
    "levels.rest": ("otherwise, and for less than 3 s of sound", "其余情况，以及不足 3 秒的声音"),
    "levels.not_music": ("“not music” at {percent} or more", "“非音乐”概率不低于 {percent}"),
    "levels.counted": ("{right} of {n}", "{n} 个中 {right} 个"),
    "levels.never": ("never said by this model", "该模型不会给出"),
    "levels.unmeasured": ("not measured", "未测量"),
    "levels.fitted": ("Thresholds were set on: {words}.", "阈值依据：{words}。"),
}

_GLOSSARY: Final[dict[str, tuple[str, str]]] = {
    "glossary.title": ("The {n} genres, and what they look like", "{n} 种流派及其在频谱图上的样子"),
    "glossary.intro": (
        "What is typical; single songs may sound and look different.",
        "这里说的是典型情况，具体歌曲听起来和看起来都可能不同。",
    ),
    **{f"glossary.{label}": sentence for label, sentence in GLOSSARY.items()},
}

_GUESS: Final[dict[str, tuple[str, str]]] = {
    "guess.switch": ("Guess first: hide each answer until asked for", "先猜一猜：先隐藏答案，需要时再揭晓"),
    "guess.title": ("What genre is it?", "这是什么流派？"),
    "guess.reveal": ("Show the answer", "揭晓答案"),
    "guess.said": ("You guessed {genre}.", "你猜的是{genre}。"),
}

_COMPARE: Final[dict[str, tuple[str, str]]] = {
    "compare.empty": ("What changed?", "改了什么？"),
    "compare.empty.body": (
        "Two to four versions of the same piece: a new mix, a master, another encoding. The first in the list is the "
        "one that the others are compared with. All are analysed from the same second on.",
        "同一作品的两到四个版本：新的混音、母带或另一种编码。列表中的第一个是基准，其余版本与它对比。所有版本从同一时刻起分析。",
    ),
    "version.a": ("Version A", "版本 A"),
    "version.b": ("Version B", "版本 B"),
    "version.c": ("Version C", "版本 C"),
    "version.d": ("Version D", "版本 D"),
    "compare.files": ("Versions, the reference first", "版本（基准在前）"),
    "versions.up": ("Move {name} up", "上移 {name}"),
    "versions.down": ("Move {name} down", "下移 {name}"),
    "compare.go": ("Compare", "开始对比"),
    "compare.stale": ("Files or settings changed: compare again", "文件或设置已更改，请重新对比"),
    "compare.title": ("What moved", "变化"),
    "compare.genres": ("Genres", "流派"),
    "compare.threshold": ("Counts beyond", "变化阈值"),
    "compare.noise": (
        "With a sign: percentage points more or less than A. Pale bars are no more than noise: encoding the same "
        "versions once more changes as much, so only changes beyond the last line count.",
        "带正负号的数字是与 A 相差的百分点。浅色条仅为噪声：同一版本重新编码一次也会有这么大的变动，"
        "因此超过表末的阈值才算变化。",
    ),
    "compare.listen": ("Listen to the versions", "对比试听"),
    "compare.listen.hint": (
        "Switch at any moment; louder versions are turned down, so that all are equally loud.",
        "可随时切换；较响的版本会调低音量，使各版本响度一致。",
    ),
    "compare.play": ("Play", "播放"),
    "compare.pause": ("Pause", "暂停"),
    "compare.csv": ("CSV", "CSV"),
    "compare.json": ("JSON", "JSON"),
    "compare.sound": ("Sound", "声音"),
    "compare.loudness": ("Loudness, LUFS", "响度（LUFS）"),
    "compare.brightness": ("Brightness (spectral centroid), Hz", "明亮度（频谱重心，Hz）"),
    "compare.unknown": ("–", "–"),
    "compare.images": (
        "All images in the same colours: 0 dB is the loudest point of the loudest version.",
        "各图使用同一配色：0 dB 为最响版本的最响处。",
    ),
    "compare.images_own": (
        "Each image in its own colours: 0 dB is its own loudest point.",
        "各图使用自己的配色：0 dB 为各自的最响处。",
    ),
}

_LIBRARY: Final[dict[str, tuple[str, str]]] = {
    "library.files": ("Files", "文件"),
    "library.go": ("Classify them all", "全部识别"),
    "library.stop": ("Stop", "停止"),
    "library.empty": ("Many songs at once?", "一次识别很多首？"),
    "library.empty.body": (
        "Drop files, folders or zip archives on the left. Each file gets a row once it is analysed, and one that "
        "cannot be analysed a row that says why. Then filter, sort and download the table.",
        "在左侧拖入多个文件、文件夹或 zip 压缩包。每个文件识别完立即出现一行；无法识别的文件也有一行说明原因。"
        "之后可筛选、排序并下载表格。",
    ),
    "library.waiting": ("Waiting for others …", "排队中……"),
    "library.running": ("Classifying …", "正在识别……"),
    "library.stopped": ("Stopped.", "已停止。"),
    "library.ready": ("Done.", "已完成。"),
    "library.progress": ("{done} of {total} files", "已完成 {done} 个文件，共 {total} 个"),
    "library.failed": ("{n} could not be analysed", "{n} 个无法识别"),
    "library.ignored": ("{n} other files in archives were skipped", "跳过压缩包中的 {n} 个其他文件"),
    "library.rate": ("{rate} files a second", "每秒 {rate} 个"),
    "library.distribution": ("Genres", "流派分布"),
    "library.error": ("Not analysed", "无法识别"),
    "library.all": ("All", "全部"),
    "library.filter": ("Show only", "仅显示"),
    "library.find": ("Find", "查找"),
    "library.sort": ("Sort by", "排序"),
    "library.accept": ("Accept from", "采纳下限"),
    "library.place": ("Order of files", "文件顺序"),
    "library.path": ("File", "文件"),
    "library.genre": ("Genre", "流派"),
    "library.confidence": ("Confidence", "置信度"),
    "library.verdict": ("Verdict", "结论"),
    "library.notes": ("Notes", "备注"),
    "library.m3u": ("Playlist by genre", "按流派的播放列表"),
    "library.corrections": ("Corrections", "更正列表"),
    "library.correct": ("Correct the genre", "更正流派"),
    "library.corrected": ("was {genre}", "原为{genre}"),
    "library.as_answered": ("as the model says", "采用模型的结果"),
    "library.confirm": ("{genre}: that is right", "{genre}：判断正确"),
    "library.confirmed": ("confirmed", "已确认"),
    "library.open": ("Open in Classify", "在“识别流派”中打开"),
    "library.gone": ("The server no longer has these files. Send them again.", "服务器上已没有这些文件，请重新添加。"),
    "library.play": ("Play", "播放"),
    "library.pause": ("Pause", "暂停"),
    "library.folder": ("Choose a folder", "选择文件夹"),
    "library.learn": (
        "Put the list of corrections beside the songs, and “acousticsense finetune corrections.csv --out models/mine” "
        "makes a model of your own of it. About twenty corrections in two genres or more are a start.",
        "把更正列表放到歌曲所在的文件夹，运行“acousticsense finetune corrections.csv --out models/mine”，"
        "即可训练出自己的模型。至少两种流派、约二十处更正就可以开始。",
    ),
    "library.shown": ("{shown} of {total} rows shown", "显示 {shown} 行，共 {total} 行"),
    "decision.accepted": ("Accepted", "采纳"),
    "decision.review": ("To review", "待复核"),
    "decision.rejected": ("Rejected", "不采纳"),
}

_TAGS: Final[dict[str, tuple[str, str]]] = {
    "tags.title": ("Write the genres into the files’ tags", "把流派写入文件标签"),
    "tags.intro": (
        "Your own files stay as they are: the server makes copies that differ from them in the genre alone. What you "
        "corrected or confirmed is written and, where “Accept from” has a value, every answer from there on. Look at "
        "the preview first; the copies then come as a zip, which the server keeps for an hour. A record in it takes "
        "the genres back: unpack it and run “acousticsense tag --undo acousticsense-undo.jsonl” in that folder.",
        "你的原文件不会改动：服务器生成的副本与原文件只有流派标签不同。写入的是你更正或确认过的流派；"
        "填写“采纳下限”后，达到该值的结果也会写入。请先预览；副本以 zip 压缩包提供，服务器保留一小时。"
        "压缩包内有撤销记录：解压后在该文件夹运行“acousticsense tag --undo acousticsense-undo.jsonl”即可恢复原样。",
    ),
    "tags.overwrite": ("Replace genres that are in the files already", "替换文件中已有的流派"),
    "tags.plan": ("Preview", "预览"),
    "tags.write": ("Make tagged copies", "生成带标签的副本"),
    "tags.planning": ("Reading the files’ tags …", "正在读取文件标签……"),
    "tags.writing": ("Writing and checking the copies …", "正在写入并检查副本……"),
    "tags.planned": (
        "Would be written: {write}. Stay as they are: {keep}. Cannot be written: {refuse}.",
        "将写入 {write} 个，保持原样 {keep} 个，无法写入 {refuse} 个。",
    ),
    "tags.written": (
        "Written and checked: {write}. Stay as they are: {keep}. Cannot be written: {refuse}. Each copy was read back: "
        "it has the genre, and its sound and all its other tags are those of the original.",
        "已写入并通过检查 {write} 个，保持原样 {keep} 个，无法写入 {refuse} 个。"
        "每个副本都重新读取过：流派已写入，声音和其他标签与原文件一致。",
    ),
    "tags.stopped": ("Stopped. No copy was kept.", "已停止，未保留任何副本。"),
    "tags.download": ("Download the copies (zip, {mb} MB)", "下载副本（zip，{mb} MB）"),
    "tags.old": ("Genre in the file", "文件中的流派"),
    "tags.new": ("Genre to write", "要写入的流派"),
    "tags.result": ("Result", "结果"),
    "tags.result.planned": ("would be written", "将写入"),
    "tags.result.written": ("written and checked", "已写入并通过检查"),
    "tags.result.same": ("has this genre already", "已是该流派"),
    "tags.result.other": ("has a genre, which stays", "已有流派，保持不变"),
}

_FINETUNE: Final[dict[str, tuple[str, str]]] = {
    "finetune.title": ("A model of your own from corrections", "用更正结果训练自己的模型"),
    "finetune.intro": (
        "The model that answered here learns from the songs that you corrected or confirmed. The new one knows their "
        "genres and no others: two at least, with two songs each; ten songs of each are a start. That takes some "
        "minutes and goes on when this page is closed. Whoever uses this server can then choose the model; the songs "
        "are not kept.",
        "以本次识别所用的模型为基础，用你更正或确认过的歌曲训练新模型。新模型只认识这些歌曲的流派："
        "至少两种，每种至少两首；每种十首左右效果才会好。训练需要几分钟，关闭页面也会继续。"
        "训练好的模型可供此服务器的所有用户选用；歌曲不会保留。",
    ),
    "finetune.counts": ("Corrected or confirmed: {counts}", "已更正或确认：{counts}"),
    "finetune.name": ("Name of the model", "模型名称"),
    "finetune.start": ("Make the model", "开始训练"),
    "finetune.off": (
        "Here, on the page, models are made only where the operator allows it (ACOUSTICSENSE_FINETUNE_MAX_MODELS).",
        "在网页上直接训练需由服务器管理员开启（ACOUSTICSENSE_FINETUNE_MAX_MODELS）。",
    ),
    "finetune.stage.files": ("Getting the songs …", "正在准备歌曲……"),
    "finetune.stage.features": ("Listening to song {done} of {total} …", "正在分析第 {done} 首，共 {total} 首……"),
    "finetune.stage.parts": (
        "Training and testing, part {done} of {total} …",
        "正在训练和测试：第 {done} 组，共 {total} 组……",
    ),
    "finetune.stage.saving": ("Training on all songs …", "正在用全部歌曲训练……"),
    "finetune.stage.stopping": ("Stopping …", "正在停止……"),
    "finetune.stopped": ("Stopped. There is no new model.", "已停止，没有生成新模型。"),
    "finetune.ready": (
        "The model “{name}” is there. Each song was held out once: it was right about {counted}. Open the page anew "
        "to choose it.",
        "模型“{name}”已训练完成。每首歌各留出测试一次，判断正确：{counted}。重新打开页面即可选用。",
    ),
    "finetune.open": ("See it among the models (new tab)", "在模型列表中查看（新标签页）"),
}

_MODELS: Final[dict[str, tuple[str, str]]] = {
    "models.title": ("Models on this server", "此服务器上的模型"),
    "models.intro": (
        "Open one for its test figures, genre by genre, and for what it reads. A model that is copied into the folder "
        "of models or imported appears here and in the lists when the page is opened again.",
        "展开模型可查看各流派的测试结果和输入设置。新导入或复制到模型文件夹的模型，"
        "在重新打开页面后会出现在这里和各个列表中。",
    ),
    "models.default": ("default", "默认"),
    "models.right": ("right about {right} test recordings", "测试录音判断正确：{right}"),
    "models.untested": ("not tested", "未测试"),
    "models.broken": ("This model cannot be used.", "该模型无法使用。"),
    "models.music": ("All test music", "全部测试音乐"),
    "models.songs": ("Well-known songs among it", "其中的知名歌曲"),
    "models.test": (
        "{right} right ({interval}); among the best three: {top3}",
        "{right}正确（{interval}）；前三名命中：{top3}",
    ),
    "models.interval": ("95% interval {low} to {high}", "95% 置信区间 {low} 至 {high}"),
    "models.genres": ("Found, by genre (test recordings)", "各流派的命中率（测试录音数）"),
    "models.labels": ("Genres", "流派"),
    "models.reads": ("What it reads", "输入"),
    "models.input": (
        "{kinds} of {window} s at {rate} Hz; pixels minus {mean}, divided by {std}",
        "{kinds}，{window} 秒，{rate} Hz；像素减去 {mean}，再除以 {std}",
    ),
    "models.licence": ("Licence", "许可"),
    "models.provenance": ("Where it comes from", "来源"),
    "models.change": (
        "All of this is in models/{name}/model.json. To change what an imported model reads, edit front_end and "
        "windows there; the next start of the server uses it.",
        "以上内容都在 models/{name}/model.json 中。若要修改导入模型的输入设置，"
        "请编辑其中的 front_end 和 windows，重启服务后生效。",
    ),
    "models.measure": ("Measure their speed on this machine", "测量各模型在本机的速度"),
}

_SIMILAR: Final[dict[str, tuple[str, str]]] = {
    "similar.go": ("Find similar songs", "查找相似歌曲"),
    "similar.empty": ("What else sounds like this?", "还有哪些歌听起来像它？"),
    "similar.empty.body": (
        "Drop a song on the left. The ten songs of this server’s library that sound most like it are listed here.",
        "在左侧拖入一首歌，这里会列出此服务器曲库中听起来最接近的十首。",
    ),
    "similar.title": ("Most like {name}", "与《{name}》最相似"),
    "similar.similarity": ("Similarity", "相似度"),
    "similar.meaning": (
        "1.00 is the same sound. {n} songs were compared by 30 seconds from the middle of each.",
        "1.00 表示声音相同。共比较了 {n} 首歌，每首取中间 30 秒。",
    ),
}

_ERRORS: Final[dict[str, tuple[str, str]]] = {
    "error.error": ("This did not work.", "未能完成。"),
    "error.bad_request": ("These settings cannot be used.", "无法使用这些设置。"),
    "error.bad_request.hint": ("Change the start or the seconds and try again.", "请调整起点或时长后重试。"),
    "error.not_explainable": ("This model cannot show where it looked.", "该模型无法显示它关注了哪里。"),
    "error.not_explainable.hint": (
        "Choose a convolutional network or a vision transformer.",
        "请选择卷积网络或视觉 Transformer 模型。",
    ),
    "error.unknown_model": ("This model is not installed.", "该模型未安装。"),
    "error.unknown_model.hint": ("Choose another model.", "请选择其他模型。"),
    "error.audio_error": ("This audio cannot be analysed.", "无法分析这段音频。"),
    "error.audio_undecodable": ("This file cannot be read as audio.", "无法将此文件读作音频。"),
    "error.audio_undecodable.hint": (
        "Choose another file: mp3, wav, flac, ogg, opus and m4a all work.",
        "请换一个文件：mp3、wav、flac、ogg、opus、m4a 均可。",
    ),
    "error.audio_too_large": ("This is more audio than fits.", "音频超出了限制。"),
    "error.audio_too_large.hint": (
        "Choose fewer seconds or a smaller file.",
        "请缩短分析时长，或使用更小的文件。",
    ),
    "error.audio_empty": ("There is no sound here.", "这里没有声音。"),
    "error.audio_empty.hint": (
        "Choose another excerpt of the track or another file.",
        "请选择歌曲的其他片段，或换一个文件。",
    ),
    "error.checkpoint_error": ("The model cannot be used.", "该模型无法使用。"),
    "error.checkpoint_error.hint": (
        "Choose another model, or tell whoever runs this server.",
        "请选择其他模型，或联系此服务器的管理员。",
    ),
    "error.overloaded": ("The server is busy.", "服务器繁忙。"),
    "error.overloaded.hint": ("Try again in a few seconds.", "请几秒后重试。"),
    "error.unexpected": ("Something went wrong on the server.", "服务器出现了意外问题。"),
    "error.unexpected.hint": (
        "Try again; if it happens again, tell whoever runs this server.",
        "请重试；若再次出现，请联系此服务器的管理员。",
    ),
    "error.decoder_timeout": ("Reading this file took too long.", "读取此文件超时。"),
    "error.decoder_crashed": ("The decoder crashed on this file.", "此文件导致解码器崩溃。"),
    "error.no_files": ("There are no files yet.", "还没有文件。"),
    "error.no_files.hint": (
        "Drop files, folders or zip archives on the left.",
        "请在左侧拖入文件、文件夹或 zip 压缩包。",
    ),
    "error.no_pair": ("Two versions are needed.", "需要两个版本。"),
    "error.no_pair.hint": (
        "Drop two to four files in the list, then compare them.",
        "请先在列表中放入两到四个文件，再开始对比。",
    ),
    "error.many_versions": ("At most four versions can be compared.", "最多可以对比四个版本。"),
    "error.many_versions.hint": ("Take some files off the list.", "请从列表中移除一些文件。"),
    "error.not_kept": ("This answer cannot be shown any more.", "这条记录已无法显示。"),
    "error.not_kept.hint": (
        "Another version of this page kept it. Classify the song again.",
        "它由本页面的其他版本保存。请重新识别这首歌。",
    ),
    "error.nothing": ("There is no song yet.", "还没有歌曲。"),
    "error.nothing.hint": (
        "Drop a file on the left, record something, or choose an example.",
        "请在左侧拖入文件、录音，或选择一个示例。",
    ),
}

UI_TEXTS: Final[dict[str, tuple[str, str]]] = {
    **_HEADER,
    **_KEYS,
    **_GLOSSARY,
    **_INPUT,
    **_RESULT,
    **_SHARE,
    **_HISTORY,
    **_SPECTROGRAM,
    **_TIMELINE,
    **_SONG,
    **_HEAT,
    **_STEPS,
    **_ENSEMBLE,
    **_LEVELS,
    **_GUESS,
    **_COMPARE,
    **_LIBRARY,
    **_TAGS,
    **_FINETUNE,
    **_MODELS,
    **_SIMILAR,
    **_ERRORS,
}


def ui_text(key: str, language: str = "en", **values: str | float) -> str:
    """The sentence behind `key` in `language` ("en" or "zh"), filled with `values`.

    Raises:
        KeyError: no such key; a test checks every key that the page uses.
    """
    english, chinese = UI_TEXTS[key]
    return (chinese if language == "zh" else english).format(**values)
