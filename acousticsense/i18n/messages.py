"""Every sentence about results and recordings, in English and Chinese, by key; `page` has those of the page alone.

`{name}` marks are filled in by `text`, which shortens labels that strangers made; no key stands in both.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LANGUAGES", "TEXTS", "preferred_language", "text"]

LANGUAGES: Final = ("en", "zh")

#: Characters of a label that a sentence repeats.
_MOST_QUOTED: Final = 60

VERDICTS: Final[dict[str, tuple[str, str]]] = {
    "verdict.confident": ("Confident", "有把握"),
    "verdict.plausible": ("Plausible", "较可能"),
    "verdict.mixed": ("A mix of styles", "风格混合"),
    "verdict.unsure": ("Unsure", "不确定"),
    "verdict.not_music": ("Not music", "不是音乐"),
    "verdict.silence": ("Silence", "静音"),
}

ADVICE: Final[dict[str, tuple[str, str]]] = {
    "advice.confident": ("This is very likely {best}.", "很可能是{best}。"),
    "advice.plausible": ("{best} is the best guess; {second} comes next.", "最可能是{best}，其次是{second}。"),
    "advice.mixed": ("This lies between {best} and {second}.", "介于{best}与{second}之间。"),
    "advice.unsure": (
        "No genre stands out; {best} is only slightly ahead.",
        "没有哪种流派明显领先，{best}仅略占优势。",
    ),
    "advice.unproven": (
        "{best} is ahead of {second}, but such answers have not been shown to be reliable: take it as a guess.",
        "{best}领先于{second}，但尚无证据表明此类结果可靠，请只当作猜测。",
    ),
    "advice.too_short": (
        "{best} is the best guess, but {seconds:.1f} s of sound are too little to be sure: give {shortest:.0f} s or "
        "more, better ten.",
        "最可能是{best}，但只有 {seconds:.1f} 秒的声音，不足以确定：请提供 {shortest:.0f} 秒以上的音频，最好十秒。",
    ),
    "advice.not_music": (
        "This does not sound like music, so the genres below mean little.",
        "这段声音不像音乐，下面的流派结果意义不大。",
    ),
    "advice.measured": (
        "On real music kept out of training, answers with this verdict were right {percent:.0f} % of the time.",
        "在未用于训练的真实音乐上，此类结论的正确率为 {percent:.0f}%。",
    ),
    "advice.counted": (
        "In a test on real music kept out of training, {right:.0f} of {n:.0f} such answers were right.",
        "在未用于训练的真实音乐上测试，{n:.0f} 个此类结果中有 {right:.0f} 个正确。",
    ),
    "advice.untested": (
        "None of that music was {best}, so how often that is right is not known.",
        "但其中没有{best}，因此判为{best}时的正确率尚不清楚。",
    ),
    "advice.unmeasured": (
        "How often this model is right at this level has not been measured.",
        "尚未测量该模型在这一可信程度下的正确率。",
    ),
    "advice.other_excerpt": (
        "Try another excerpt of the track, such as the chorus: change the start or analyse more seconds.",
        "可以换一段再试，例如副歌：调整起点，或分析更长的时间。",
    ),
    "advice.other_place": (
        "Try another excerpt, such as the chorus: from second {second:.0f}, for example, or more seconds.",
        "可以换一段再试，例如副歌：从第 {second:.0f} 秒开始，或分析更长的时间。",
    ),
    "advice.other_image": (
        "This model can also use the {kind} spectrogram: see whether it gives the same genre.",
        "该模型也能使用 {kind} 频谱图，可看看结果是否一致。",
    ),
    "advice.vote": (
        "By majority vote of the windows, as this model was published with, it is {best}: {windows:.0f} of {of:.0f}.",
        "按该模型发布时的多数投票法，各窗口投票结果为{best}：{of:.0f} 个窗口中有 {windows:.0f} 个。",
    ),
    "advice.check_audio": (
        "The recording itself has problems (see the notes); a cleaner copy may be analysed differently.",
        "录音本身存在问题（见提示），换一份更干净的文件结果可能不同。",
    ),
}

HEALTH: Final[dict[str, tuple[str, str]]] = {
    "health.silence": (
        "The loudest moment is at {value:.0f} dBFS, which is silence. Choose another excerpt or check the recording.",
        "最响处仅 {value:.0f} dBFS，等同于静音。请换一段，或检查录音。",
    ),
    "health.quiet": (
        "The recording is very quiet: its loudest moment is at {value:.0f} dBFS. Use a louder copy if there is one.",
        "录音音量很低，最响处仅 {value:.0f} dBFS。如有音量正常的版本，请改用。",
    ),
    "health.clipping": (
        "{value:.1f} % of the samples are clipped, so the sound is distorted. Use a copy that was not overdriven.",
        "有 {value:.1f}% 的采样削波，声音已失真。请改用未过载的版本。",
    ),
    "health.out_of_phase": (
        "The channels would cancel each other: {value:.0f} dB would be lost in mono. One was inverted before mixing.",
        "声道相互反相，直接混成单声道会损失 {value:.0f} dB。已先将其中一个声道反相再混合。",
    ),
    "health.silent_channels": (
        "{value:.0f} of the channels are silent; only the others are analysed.",
        "有 {value:.0f} 个声道没有声音，仅按其余声道判断。",
    ),
    "health.header_repaired": (
        "The file's header contradicts itself or the sound (in {value:.0f} places); the likeliest reading was used.",
        "文件头自相矛盾，或与声音数据不符（{value:.0f} 处），已按最可能的含义读取。",
    ),
    "health.radio_frames": (
        "The file's header asks for frames of {value:.0f} samples, as in digital radio. If it plays as noise, the "
        "header is damaged.",
        "文件头要求每帧 {value:.0f} 个采样点，这是数字广播的格式。如果播放出来是噪声，说明文件头已损坏。",
    ),
    "health.truncated": (
        "The file ends {value:.1f} s earlier than its header says; what is there was used. Check for a fuller copy.",
        "文件比文件头所述短 {value:.1f} 秒，仅使用现有部分。请检查是否有完整版本。",
    ),
    "health.longer": (
        "The file holds {value:.1f} s more sound than its header says; all of it was used.",
        "文件中的声音比文件头所述多 {value:.1f} 秒，已全部使用。",
    ),
    "health.length_unknown": (
        "The header does not say how long the sound is; it was read to the end ({value:.1f} s).",
        "文件头未注明时长，已读到文件末尾（{value:.1f} 秒）。",
    ),
    "health.damaged": (
        "{value:.0f} damaged pieces of the file were skipped. Use an intact copy, if any.",
        "跳过了 {value:.0f} 处损坏的数据。如有完好的版本，请改用。",
    ),
    "health.bad_samples": (
        "{value:.3f} % of the samples are not numbers and were silenced. Export the file again.",
        "有 {value:.3f}% 的采样不是有效数值，已置为静音。请重新导出文件。",
    ),
    "health.gap": (
        "The time stamps jump by {value:.1f} s; the sound was read as it follows. Use an intact copy, if any.",
        "时间戳跳变 {value:.1f} 秒，声音按先后顺序连续读取。如有完好的版本，请改用。",
    ),
    "health.joined": (
        "Sample rate or channels change {value:.0f} times within the file, as in joined recordings; all was read.",
        "文件中采样率或声道数变化了 {value:.0f} 次，像是拼接而成，已全部读取。",
    ),
    "health.chained": (
        "The file holds {value:.0f} recordings, one after the other; they are read as one track.",
        "文件由 {value:.0f} 段录音首尾相接而成，按一首曲目读取。",
    ),
    "health.track_choice": (
        "The file has several audio tracks; number {value:.0f} is analysed.",
        "文件含有多条音轨，分析的是第 {value:.0f} 条。",
    ),
    "health.coded_in_pcm": (
        "The samples are a coded stream (DTS or AC-3) in disguise; it was decoded from {value:.1f} s on.",
        "采样实为编码流（DTS 或 AC-3），已从 {value:.1f} 秒处起解码。",
    ),
    "health.rate_doubtful": (
        "The header's sample rate and the time stamps differ by {value:.1f} %; pitch and tempo may be wrong.",
        "文件头中的采样率与时间戳相差 {value:.1f}%，音高和速度可能有误。",
    ),
    "health.late_start": (
        "The file's time stamps begin at {value:.0f} s; places are counted from the first sound.",
        "文件的时间戳从 {value:.0f} 秒开始，位置从录音开头起计算。",
    ),
    "health.dead_channel": (
        "Channel {value:.0f} of 2 is silent. Check the cable or the export; the other channel is analysed.",
        "双声道中的第 {value:.0f} 声道没有声音，仅按另一声道判断。请检查线缆或导出设置。",
    ),
    "health.dc_offset": (
        "The waveform is shifted by {value:.1f} % of full scale (DC offset). Remove it with a high-pass at 20 Hz.",
        "波形整体偏移满幅的 {value:.1f}%（直流偏移）。请用 20 Hz 高通滤波去除。",
    ),
    "health.noise": (
        "This is steady noise: its level wanders by {value:.1f} dB only, music's by far more. Choose another excerpt.",
        "这是平稳的噪声：电平仅波动 {value:.1f} dB，音乐的波动远大于此。请换一段。",
    ),
    "health.dull": (
        "There is hardly any sound above {value:.0f} Hz, as after strong compression. Use a better copy, if any.",
        "{value:.0f} Hz 以上几乎没有声音，可能经过高度压缩。如有音质更好的版本，请改用。",
    ),
    "health.short": (
        "Only {value:.1f} s of sound: it is repeated to fill the window. Ten seconds or more give a better answer.",
        "只有 {value:.1f} 秒的声音，会循环补足。十秒以上的音频结果更可靠。",
    ),
    "health.low_sample_rate": (
        "The sample rate of {value:.0f} Hz leaves no treble. Use a copy with 22050 Hz or more.",
        "采样率仅 {value:.0f} Hz，缺少高频。请改用 22050 Hz 以上的版本。",
    ),
    "health.odd_sample_rate": (
        "A sample rate of {value:.0f} Hz is unusual. Check that the file plays at the right speed and pitch.",
        "采样率 {value:.0f} Hz 较少见。请确认播放时的速度和音高是否正常。",
    ),
    "health.mono_in_stereo": (
        "Both channels are the same (they differ by {value:.0f} dB). Nothing to do: music is analysed in mono anyway.",
        "左右声道内容相同（差异仅 {value:.0f} dB）。无需处理，本来就按单声道判断。",
    ),
}

ENSEMBLE: Final[dict[str, tuple[str, str]]] = {
    "ensemble.single": ("Only one member: {best}.", "只有一个模型：{best}。"),
    "ensemble.both": ("Both members say {best}.", "两个模型一致认为是{best}。"),
    "ensemble.all": ("All {n} members say {best}.", "{n} 个模型一致认为是{best}。"),
    "ensemble.two": (
        "{best} against {second}: {n} members, {counts}.",
        "{best}对{second}：{n} 个模型，{counts}。",
    ),
    "ensemble.many": ("{n} members split {ways} ways: {labels}.", "{n} 个模型给出 {ways} 种不同的判断：{labels}。"),
    "ensemble.counts": (" to ", " 比 "),
    "ensemble.list": (", ", "、"),
    "ensemble.border": (
        "This lies on the border between {best} ({first:.0f} %) and {second} ({other:.0f} %).",
        "介于{best}（{first:.0f}%）与{second}（{other:.0f}%）之间。",
    ),
    "ensemble.clear": (
        "{best} stands clear of {second}: {first:.0f} % to {other:.0f} %.",
        "{best}明显领先于{second}：{first:.0f}% 对 {other:.0f}%。",
    ),
    "ensemble.contradiction": (
        "{one} says {one_label}, but {other}, which was trained on other music, says {other_label}.",
        "{one} 判为{one_label}，而用其他音乐训练的 {other} 判为{other_label}。",
    ),
    "ensemble.pair_split": (
        "{one} says {one_label}, {other} says {other_label}: these two differ most.",
        "{one} 判为{one_label}，{other} 判为{other_label}：这两个分歧最大。",
    ),
    "ensemble.pair_same": (
        "{one} and {other} differ most, and both say {one_label}.",
        "{one} 与 {other} 差异最大，但都认为是{one_label}。",
    ),
    "ensemble.calibrated": (
        "The consensus is calibrated for exactly these members.",
        "共识已针对这组模型校准。",
    ),
    "ensemble.uncalibrated": (
        "The consensus is the plain mean: how often it is right has not been measured for this choice of members.",
        "共识为简单平均：尚未测量这组模型的正确率。",
    ),
    "ensemble.worse": (
        "In the test, this consensus was right about {right:.0f} of {n:.0f} recordings, {who} alone about {alone:.0f}: "
        "trust that one more.",
        "测试中，这一共识在 {n:.0f} 段录音中答对 {right:.0f} 段，而 {who} 单独答对 {alone:.0f} 段，更值得信赖。",
    ),
    "ensemble.failed": (
        "{n} of {total} could not answer; the reason stands in the table.",
        "有 {n} 个未能给出结果（共 {total} 个），原因见表格。",
    ),
    "ensemble.beside": (
        "{n} with labels of their own are shown beside and not averaged in.",
        "{n} 个使用其他标签，单独列出，不计入平均。",
    ),
    "ensemble.fastest": ("Fastest here: {who}, {value:.0f} ms.", "本次最快：{who}，{value:.0f} 毫秒。"),
    "ensemble.smallest": ("Smallest: {who}, {value:.0f} MB.", "最小：{who}，{value:.0f} MB。"),
    "ensemble.most_accurate": (
        "Most often right on real test music: {who}, {value:.0f} % of {n} clips.",
        "在真实测试音乐上最准：{who}，{value:.0f}%（{n} 段）。",
    ),
    "ensemble.accuracy_unmeasured": (
        "Which of them is most often right was not measured on the same music.",
        "尚未在同一批音乐上测量哪一个最准。",
    ),
}

COMPARE: Final[dict[str, tuple[str, str]]] = {
    "compare.nothing": (
        "The genres did not move: no probability changed by more than {threshold:.0f} points, and encoding the same "
        "music once more already changes one by {noise:.1f}.",
        "流派没有变化：没有任何概率变动超过 {threshold:.0f} 个百分点，"
        "而同一音乐重新编码一次就会变动 {noise:.1f} 个百分点。",
    ),
    "compare.best_changed": (
        "From A to {version} the best guess moved from {best} to {second}: {best} had {before:.0f} % in A, {second} "
        "has {after:.0f} % in {version}.",
        "从 A 到 {version}，最佳判断由{best}变为{second}："
        "A 中{best}占 {before:.0f}%，{version} 中{second}占 {after:.0f}%。",
    ),
    "compare.rose": (
        "From A to {version}, {best} moved most: up from {before:.0f} % to {after:.0f} %.",
        "从 A 到 {version}，变动最大的是{best}：由 {before:.0f}% 升至 {after:.0f}%。",
    ),
    "compare.fell": (
        "From A to {version}, {best} moved most: down from {before:.0f} % to {after:.0f} %.",
        "从 A 到 {version}，变动最大的是{best}：由 {before:.0f}% 降至 {after:.0f}%。",
    ),
    "compare.music_lost": (
        "A is taken for music, {version} is not, so the genres of {version} mean little.",
        "A 被判为音乐，{version} 不是，因此 {version} 的流派结果意义不大。",
    ),
    "compare.music_found": (
        "{version} is taken for music, A is not, so the genres of A mean little.",
        "{version} 被判为音乐，A 不是，因此 A 的流派结果意义不大。",
    ),
    "compare.louder": ("{version} is {value:.1f} LU louder.", "{version} 的响度高 {value:.1f} LU。"),
    "compare.quieter": ("{version} is {value:.1f} LU quieter.", "{version} 的响度低 {value:.1f} LU。"),
    "compare.brighter": (
        "{version} is brighter: the centre of its spectrum lies at {after:.0f} Hz instead of {before:.0f} Hz.",
        "{version} 更明亮：频谱重心由 {before:.0f} Hz 升至 {after:.0f} Hz。",
    ),
    "compare.darker": (
        "{version} is darker: the centre of its spectrum lies at {after:.0f} Hz instead of {before:.0f} Hz.",
        "{version} 更暗：频谱重心由 {before:.0f} Hz 降至 {after:.0f} Hz。",
    ),
    "compare.lengths": (
        "A and {version} are not equally long here ({before:.1f} s and {after:.1f} s), so a difference may come from "
        "that.",
        "A 与 {version} 在此处长度不同（{before:.1f} 秒与 {after:.1f} 秒），差异可能由此而来。",
    ),
}

ROUTING: Final[dict[str, tuple[str, str]]] = {
    "routing.unmeasured": (
        "How often accepted answers of this model are right has not been measured.",
        "该模型自动采纳的结果的正确率尚未测量。",
    ),
    "routing.wrong": (
        "Of {accepted} accepted answers expect about {wrong} to be wrong (1 in {one_in:.1f}), going by how often such"
        " verdicts were right on test music.",
        "按同类结论在测试音乐上的正确率推算，采纳的 {accepted} 个结果中约有 {wrong} 个有误"
        "（每 {one_in:.1f} 个中有 1 个）。",
    ),
    "routing.hardly_wrong": (
        "Of {accepted} accepted answers expect hardly any to be wrong, going by how often such verdicts were right on"
        " test music.",
        "按同类结论在测试音乐上的正确率推算，采纳的 {accepted} 个结果中几乎没有错误。",
    ),
    "routing.short": (
        "Only {duration_s:.1f} s of sound were analysed; no answer about less than {least_s:g} s is accepted unseen.",
        "只分析了 {duration_s:.1f} 秒的声音；不足 {least_s:g} 秒的结果不会自动采纳。",
    ),
    "routing.partly": (
        " For {rest} more, that has not been measured.",
        "另有 {rest} 个结果的正确率尚未测量。",
    ),
}

TEXTS: Final[dict[str, tuple[str, str]]] = {**VERDICTS, **ADVICE, **HEALTH, **ENSEMBLE, **COMPARE, **ROUTING}


def text(key: str, language: str = "en", **values: str | float) -> str:
    """The sentence behind `key`, filled with `values`.

    Raises:
        KeyError: no such key; every key that code uses is checked by a test.
    """
    english, chinese = TEXTS[key]
    fitting = {name: _fit(value) if isinstance(value, str) else value for name, value in values.items()}
    return (chinese if language == "zh" else english).format(**fitting)


def _fit(name: str) -> str:
    """Somebody's own label as part of a sentence: not endless, and without a full stop that would double ours."""
    return (name if len(name) <= _MOST_QUOTED else f"{name[:_MOST_QUOTED]}…").rstrip(".。")


def preferred_language(accept_language: str | None) -> str:
    """ "zh" when an Accept-Language header ranks Chinese above English, else "en"."""
    ranked: list[tuple[float, str]] = []
    for position, part in enumerate((accept_language or "").split(",")):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1.0)
        except ValueError:
            quality = 0.0
        ranked.append((-quality + position * 1e-6, tag.lower()[:2]))
    return next((tag for _, tag in sorted(ranked) if tag in LANGUAGES), "en")
