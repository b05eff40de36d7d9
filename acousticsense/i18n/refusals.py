"""What errors say, in Chinese. They are raised in English, as programs and logs have them; the page speaks both."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = ["REFUSALS", "refusal"]

#: English sentence -> Chinese sentence. `{}` is a value, which the Chinese one may name by its place, from 0 on, or
#: leave out; `{words}` is another of these sentences.
REFUSALS: Final[dict[str, str]] = {
    # Files and what decoders say of them.
    "Version {}: {words}": "版本 {0}：{words}",
    "This cannot be decoded as audio. {words}": "所有解码器都无法读取它的内容。{words}",
    "Use an mp3, wav, flac, ogg, opus, m4a or aac file that plays in an ordinary player.": (
        "请使用能在普通播放器中播放的 mp3、wav、flac、ogg、opus、m4a 或 aac 文件。"
    ),
    "The samples are a coded stream ({}), and not one that can be decoded.": "其采样实为编码流（{0}），无法解码。",
    "Export the recording again as PCM.": "请将录音重新导出为 PCM 格式。",
    "The samples of this file are a coded stream ({}), not sound.": "此文件的采样实为编码流（{0}），不是声音。",
    "Decode it first, for instance with ffmpeg after unpacking it to wav.": (
        "请先解码，例如解包为 wav 后用 ffmpeg 解码。"
    ),
    "Its index (the box 'moov') is missing, as when a recording or a download broke off.": (
        "其索引（moov 数据块）缺失，可能是录制或下载中断所致。"
    ),
    "No decoder reads it.": "没有解码器能读取它。",
    "Its sound is in a codec that is not known.": "其声音使用了未知的编码格式。",
    "Every packet is damaged.": "所有数据包均已损坏。",
    "Samples of type {} are not read.": "不支持 {0} 类型的采样。",
    "Its {} channels cannot be told apart.": "无法区分其中的 {0} 个声道。",
    "None of the recordings in it can be decoded.": "其中的录音均无法解码。",
    "The header gives values that cannot be read ({}).": "文件头中的数值无法读取。",
    "The header gives a sample rate of {} Hz; {} to {} Hz can be read.": (
        "文件头中的采样率为 {0} Hz；可读取的范围是 {1} 至 {2} Hz。"
    ),
    "The header gives {} channels; 1 to {} can be read.": "文件头中有 {0} 个声道；可读取 1 至 {1} 个。",
    "There is no sound track in it.": "其中没有音轨。",
    "The file holds only {} samples.": "文件只有 {0} 个采样。",
    "The file holds no sound (0 samples).": "文件中没有声音（0 个采样）。",
    "There is no sound in this clip: 0 samples.": "这段音频没有声音（0 个采样）。",
    "Export or record it again.": "请重新导出或录制。",
    "Choose an excerpt inside the track.": "请选择曲目范围之内的片段。",
    "{} samples are too few for a spectrum, which takes {}.": "{0} 个采样太少，计算频谱至少需要 {1} 个。",
    "Choose a longer excerpt.": "请选择更长的片段。",
    "{} of the samples are not numbers (NaN, infinite or beyond {}).": "有 {0} 的采样不是有效数值。",
    "Export the file again.": "请重新导出文件。",
    "The file cannot be read ({}).": "无法读取此文件。",
    "Check the disk and try again.": "请检查磁盘后重试。",
    "The file is empty (0 bytes).": "文件是空的（0 字节）。",
    "Choose or upload it again.": "请重新选择或上传。",
    "'{}' is not a file.": "“{0}”不是文件。",
    "Give the path of one audio file.": "请给出一个音频文件的路径。",
    "There is no file '{}'.": "没有文件“{0}”。",
    "Check the path; only local files are read, no web addresses.": "请检查路径；只能读取本机文件，不能读取网址。",
    "'{}' cannot be opened ({}).": "无法打开“{0}”。",
    "Check that you may read it.": "请检查是否有读取权限。",
    "The decoder {} on this file.": "解码器在处理此文件时异常退出。",
    "The file is probably damaged.": "文件可能已损坏。",
    "Decoding did not end within {} s.": "解码在 {0} 秒内未完成。",
    "Allow more with --timeout, or convert it.": "请转换格式后重试。",
    "Send a shorter excerpt, or convert the file.": "请选择更短的片段，或转换文件格式。",
    "Decoding it takes more memory than is allowed.": "解码所需的内存超出了限制。",
    "Send a shorter excerpt.": "请选择更短的片段。",
    # Limits.
    "The file has {} MiB or more; the limit is {} MiB.": "文件达到或超过 {0} MiB，上限为 {1} MiB。",
    "Cut or compress it (10 seconds are enough), or raise the limit.": "请剪短或压缩（10 秒就够）。",
    "The excerpt is longer than {} s, the limit.": "片段超过了 {0} 秒的上限。",
    "The excerpt is longer than {} s and takes more than {} MiB decoded, the limit ({} channels at {} Hz).": (
        "片段超过 {0} 秒，解码后超过 {1} MiB 的上限（{2} 个声道，{3} Hz）。"
    ),
    "Analyse fewer seconds or cut the file.": "请缩短分析时长，或剪短文件。",
    "The track is longer than {} s, the limit.": "曲目超过了 {0} 秒的上限。",
    "Choose a shorter excerpt or cut the file.": "请选择更短的片段，或剪短文件。",
    "There is no sound at {} s: the track is {} s long.": "第 {0} 秒处没有声音：曲目全长 {1} 秒。",
    "Choose an earlier offset.": "请把起点提前。",
    "A window every {} s makes more than {} windows of this track, the limit.": (
        "每 {0} 秒取一个窗口，窗口总数会超过 {1} 个的上限。"
    ),
    "Choose a longer hop or a shorter excerpt.": "请增大窗口间隔，或选择更短的片段。",
    "The request is larger than {} MiB.": "请求超过了 {0} MiB。",
    "Upload files first, then name them.": "请先上传文件。",
    "Send a shorter or compressed file.": "请发送更短或经过压缩的文件。",
    # A server that has too much to do.
    "The server is busy and its queue is full.": "服务器繁忙，队列已满。",
    "Try again in a few seconds.": "请几秒后重试。",
    "The server is stopping.": "服务器正在停止。",
    "The server stops before this was answered.": "服务器在处理完之前停止了。",
    "Try again when it is back.": "请待其恢复后重试。",
    "There is no room for more uploads at the moment.": "暂时没有空间接收更多上传，请稍后重试。",
    "The server's disk for temporary files is full.": "服务器存放临时文件的磁盘已满，请稍后重试。",
    "Too many requests, of which {} a minute are allowed.": "请求过于频繁：每分钟最多 {0} 次。",
    "Too many wrong passwords.": "密码错误次数过多。",
    "Try again in {} s.": "请 {0} 秒后重试。",
    "This server asks for a password.": "此服务器需要密码。",
    "Send it by HTTP Basic, or a token as Bearer.": "请用 HTTP Basic 发送密码，或用 Bearer 发送令牌。",
    "{} has not enough free memory for one image.": "{0} 的可用内存不足以处理一张图像。",
    "Stop other programs that use it, or start with --device cpu.": "请稍后重试，或联系此服务器的管理员。",
    # Settings of the page.
    "{} is {}.": "{0}为 {1}，无法使用。",
    "{} {} were asked.": "请求的{1}有 {0} 个。",
    "Ask for 0.1 to 86400 seconds, or all.": "可填 0.1 至 86400 秒，或选择整首歌。",
    "Give seconds from the start, 0 or more.": "请填写从开头算起的秒数，最小为 0，最大为一千万。",
    "Ask for 1 to 1000.": "可填 1 至 1000。",
    "Send true or false.": "只能是“是”或“否”。",
    "Send names with commas between, {} at most.": "请用逗号分隔名称，最多 {0} 个。",
    "A window can have 1 to 60 seconds.": "窗口长度可为 1 至 60 秒。",
    "It must be 0.1 seconds or more.": "至少为 0.1 秒。",
    "Give 0 to 3600 seconds; 0 keeps all segments.": "可填 0 至 3600 秒；0 表示保留所有分段。",
    "It must be above 0.": "必须大于 0。",
    "It must be 0 or more.": "不能小于 0。",
    "It must be {} or more.": "至少为 {0}。",
    "Choose one of {}.": "请选择其他选项。",
    "Ask for {}.": "可选 {0}。",
    "Give a share from 0 to 1, for instance 0.85.": "请填写 0 至 1 之间的比例，例如 0.85。",
    "{} versions were sent.": "收到了 {0} 个版本。",
    "Send 2 to {} files, the reference first.": "请提供 2 至 {0} 个文件，基准在前。",
    "There is no audio file.": "没有音频文件。",
    'Pass handle_file("song.mp3").': "请选择一个文件。",
    "The path names no file uploaded to this server.": "服务器上没有这个上传的文件。",
    "Upload the file again.": "请重新上传文件。",
    "There is no such image.": "没有这种图像。",
    "The image asked for is not described.": "请求的图像信息不完整。",
    "Classify the song again.": "请重新识别这首歌。",
    "The genre to explain is not named.": "没有指明要解释的流派。",
    "Press one of the genres.": "请点击某个流派。",
    "This model knows: {}.": "该模型的流派有：{0}。",
    # Models.
    "There is no model {}.": "没有模型 {0}。",
    "Installed are: {}.": "已安装的模型：{0}。",
    "None of these models knows {} images.": "这些模型都不能使用 {0} 图像。",
    "Choose others.": "请选择其他模型。",
    "{} could not answer: {}.": "{0} 未能给出结果。",
    "See the server's log.": "详情见服务器日志。",
    "{} answers with numbers that are not finite.": "{0} 的输出不是有效数值。",
    "Its weights are damaged.": "其权重已损坏。",
    "{} cannot read {} values: {}.": "{0} 无法读取 {1} 的输入：{2}。",
    "{} answers {} values with {} numbers, not 1x{}.": "{0} 对 {1} 的输入给出了 {2} 个数值，应为 1x{3}。",
    "Its front_end and model_args must suit its architecture.": "其 front_end 和 model_args 必须与网络架构相符。",
    "A heat map of a {} network is not possible.": "无法为 {0} 网络生成热力图。",
    "A heat map of a network with {} blocks is not possible.": "无法为含有 {0} 模块的网络生成热力图。",
    "Convolutional networks and vision transformers (ViT) can be explained; choose such a model.": (
        "可以解释卷积网络和视觉 Transformer（ViT），请选择此类模型。"
    ),
    "Vision transformers whose attention has one qkv layer can be explained; choose such a model.": (
        "只能解释注意力由单个 qkv 层构成的视觉 Transformer，请选择此类模型。"
    ),
    "{} cannot compare songs: its network does not give its features.": "{0} 无法比较歌曲：其网络不提供特征。",
    "Take the default model.": "请使用默认模型。",
    "{} is not a model: it has neither {} nor weights.": "{0} 不是模型：既没有 {1}，也没有权重文件。",
    "{} holds several weights.": "{0} 中有多个权重文件。",
    "Name one of them: {}.": "请指定其中一个：{0}。",
    "{} is not the recorded file: expected SHA-256 {}, found {}.": "{0} 与记录的文件不符（SHA-256 不同）。",
    "Copy or download the model again.": "请重新复制或下载该模型。",
    "{} names weights outside its folder: {}.": "{0} 指向了文件夹之外的权重。",
    "{} lacks its weights {}.": "{0} 缺少权重文件 {1}。",
    "Copy or download it again.": "请重新复制或下载。",
    "{} cannot be read: {}.": "无法读取 {0}。",
    # Archives and libraries.
    "This file is encrypted in its archive.": "压缩包中的此文件已加密。",
    "Pack it without a password.": "请不设密码重新打包。",
    "This file is packed by method {}, which is not unpacked.": "此文件使用压缩方法 {0}，无法解压。",
    "Pack it by deflate, as zip programs do by default.": "请用 zip 软件默认的 deflate 方法打包。",
    "The archive's list of contents is longer than {} MiB.": "压缩包的目录超过 {0} MiB。",
    "Pack fewer files into one archive.": "请减少每个压缩包中的文件。",
    "This file cannot be unpacked ({}).": "无法解压此文件。",
    "The archive is probably damaged.": "压缩包可能已损坏。",
    "Unpacked, this file has more than {} MiB.": "解压后，此文件超过 {0} MiB。",
    "Use a compressed format, or send its archive in parts.": "请使用压缩的音频格式，或将压缩包拆分。",
    "This is not a readable zip archive ({}).": "这不是可读的 zip 压缩包。",
    "Pack it again, or choose the files themselves.": "请重新打包，或直接选择其中的文件。",
    "There is no audio file in this archive.": "压缩包中没有音频文件。",
    "These are {} files, and {} are analysed at a time.": "共有 {0} 个文件，一次最多分析 {1} 个。",
    "Send them in parts, or use `acousticsense tag`.": "请分批添加，或使用命令 acousticsense tag。",
    "The archives hold more than {} MiB.": "压缩包解压后超过 {0} MiB。",
    "Send the rest by itself.": "请把其余文件另行添加。",
    "Row {} cannot be corrected to {}.": "第 {0} 行不能更正为 {1}。",
    "Choose one of the model's genres.": "请选择该模型的流派之一。",
    "The server no longer has this file.": "服务器上已没有此文件。",
    "Send it again.": "请重新添加。",
    "The files are still being analysed.": "文件仍在分析中。",
    "Wait until they are done, or press Stop.": "请等待完成，或点击“停止”。",
    "The decoder processes do not start: {}.": "解码进程无法启动。",
    "See the messages above; is there enough memory?": "请联系此服务器的管理员。",
    "The decoder processes cannot be managed: {}.": "无法管理解码进程。",
    "The ledger {} cannot be used: {}.": "无法使用曲库记录 {0}。",
    "Check disk space and permissions, or name another one with --ledger.": "请联系此服务器的管理员。",
    "This server has no library to search.": "此服务器没有可供查找的曲库。",
    "Whoever runs it can name one with ACOUSTICSENSE_LIBRARY.": "管理员可用 ACOUSTICSENSE_LIBRARY 指定曲库。",
    "The library of this server holds no song that can be compared.": "此服务器的曲库中没有可比较的歌曲。",
    "Whoever runs it can fill it: acousticsense similar --in MUSIC --ledger LIBRARY.": (
        "管理员可以添加歌曲：acousticsense similar --in MUSIC --ledger LIBRARY。"
    ),
    # Tags.
    "There is no genre to write.": "没有要写入的流派。",
    "Say from which confidence answers are accepted, or correct a genre.": "请填写“采纳下限”，或更正某个流派。",
    "It cannot be copied: {}.": "无法复制此文件。",
    "The copies cannot be written ({}).": "无法写入副本。",
    "Try again later, or with fewer files.": "请稍后重试，或减少文件。",
    "{} names share this file (hard links), which a new copy would part.": (
        "有 {0} 个硬链接指向此文件，新副本会破坏链接。"
    ),
    "It is read-only.": "此文件是只读的。",
    "Its folder is read-only.": "所在文件夹是只读的。",
    "It belongs to another user, to whom a new copy would not.": "此文件属于其他用户，新副本无法保留其所有者。",
    "The genre did not read back as it was written.": "写入的流派未能正确读回。",
    "It would keep the genre {} in a place that cannot be changed.": "流派 {0} 存放在无法更改的位置。",
    "Other tags would have changed.": "其他标签会被改动。",
    "The sound would have changed.": "声音会被改动。",
    "The file is as it was.": "文件保持原样。",
    "Its tags cannot be read ({}).": "无法读取其标签。",
    "Its tags cannot be changed ({}).": "无法修改其标签。",
    "Its tag cannot be written: {}.": "无法写入其标签。",
    "Its sound cannot be read ({}).": "无法读取其声音。",
    "It was changed by another program meanwhile.": "此文件在此期间被其他程序修改。",
    "Run again.": "请重试。",
    "Its APE tag is damaged.": "其 APE 标签已损坏。",
    "Its header is damaged.": "其文件头已损坏。",
    "An object of its header is damaged.": "其文件头中有对象已损坏。",
    "Its attributes are damaged.": "其属性已损坏。",
    "Its ID3 tag is compressed as version 2.2 never defined.": "其 ID3 标签使用了 2.2 版未定义的压缩。",
    "Its ID3 tag would be longer than 256 MB.": "其 ID3 标签会超过 256 MB。",
    "Its ID3 genre cannot be read ({}).": "无法读取其 ID3 流派。",
    "Tags are written into mp3, aac, wav, aiff, flac, ogg, opus, mp4, wma, wv, mpc, ape and tta files; this is "
    "another format.": (
        "可写入标签的格式有 mp3、aac、wav、aiff、flac、ogg、opus、mp4、wma、wv、mpc、ape 和 tta；这是其他格式。"
    ),
    "It has no index (moov).": "其中没有索引（moov）。",
    "Its atom at byte {} is damaged.": "第 {0} 字节处的 atom 已损坏。",
    "Its offsets would be longer than 4 GiB, which its tables cannot say.": "其偏移会超过 4 GiB，索引表无法表示。",
    "It has no chunk of sound.": "其中没有声音数据块。",
    "It would be longer than 4 GiB, which its format cannot say.": "文件会超过 4 GiB，其格式无法表示。",
    "A chunk of its tags has {} MiB, more than tags take.": "其标签块有 {0} MiB，超出了合理大小。",
    "Its Vorbis comments are damaged.": "其 Vorbis 注释已损坏。",
    "Its comments would be longer than 16 MB.": "其注释会超过 16 MB。",
    "None of its streams has comments.": "其中没有带注释的流。",
    "Its metadata blocks are damaged.": "其元数据块已损坏。",
    # A model of one's own.
    "This server makes no models.": "此服务器不训练模型。",
    "Its operator can allow it by ACOUSTICSENSE_FINETUNE_MAX_MODELS.": (
        "管理员可用 ACOUSTICSENSE_FINETUNE_MAX_MODELS 开启。"
    ),
    "There are {} models on this server, and it makes more only while there are fewer than {}.": (
        "此服务器已有 {0} 个模型，少于 {1} 个时才能继续训练。"
    ),
    "Its operator can remove one, or raise ACOUSTICSENSE_FINETUNE_MAX_MODELS.": (
        "管理员可以删除一个模型，或调高 ACOUSTICSENSE_FINETUNE_MAX_MODELS。"
    ),
    "A model is being made on this server already.": "此服务器正在训练另一个模型。",
    "Try again when it is ready.": "请待其完成后重试。",
    "Corrected or confirmed: {}.": "已更正或确认：{0}。",
    "It takes two genres at least, and two songs of each.": "至少需要两种流派，每种至少两首歌。",
    "{} cannot be the name of a model.": "{0} 不能用作模型名称。",
    "Use letters, digits, '_', '-', '.' and '+'; no folders.": "只能使用字母、数字和 _ - . +，不能含文件夹。",
    "There is a model {} already.": "已有名为 {0} 的模型。",
    "Choose another name, or remove its folder.": "请换一个名称。",
    "{} is there already, and no model.": "{0} 已存在，但不是模型。",
    "Choose another name.": "请换一个名称。",
    "Labels are repeated: {}.": "标签重复：{0}。",
    "{} cannot be used: {words}": "无法使用 {0}：{words}",
    "{} does not end in a linear layer, so it cannot be fine-tuned here.": "{0} 的末层不是线性层，无法在此微调。",
    "Genres with usable files: {}; it takes two at least.": "有可用文件的流派：{0}；至少需要两种。",
    "Give a folder with a folder per genre, or a CSV with the columns path,genre.": "请更正更多歌曲。",
    "Too few usable files{}: {} with one each.": "可用文件太少：{1} 各只有一个。",
    "Two of a genre are the least, one to learn from while the other is held out. Add some, or remove it.": (
        "每种流派至少两个：一个用于训练，另一个留作测试。请补充，或去掉该流派。"
    ),
    "Training ended with status {}: {}": "训练意外结束（状态 {0}）。",
}

#: Values that are words of this program.
_NAMES: Final = {
    "duration_s": "分析时长",
    "offset_s": "起点",
    "top_k": "流派数",
    "window_s": "窗口长度",
    "hop_s": "窗口间隔",
    "min_segment_s": "最短分段",
    "model": "模型",
    "models": "模型",
    "spectrogram": "频谱图",
    "label": "流派",
    "accept": "采纳下限",
    "private": "隐私选项",
}
_MARK: Final = re.compile(r"\\\{(words)?\\\}")


def refusal(words: str, language: str) -> str:
    """What an error says, in `language` ("en" or "zh"); empty where it has no such words.

    Args:
        words: a message, a hint, or both with a space between.
        language: of the reader.
    """
    return words if language == "en" or not words else _chinese(words) or ""


def _chinese(words: str) -> str | None:
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(words)
        rest = "" if found is None or not found["rest"] else _chinese(found["rest"])
        if found is None or rest is None:
            continue
        parts = found.groupdict()
        values = [_NAMES.get(value, value) for name, value in parts.items() if name.startswith("value")]
        inner = _chinese(parts["words"]) if parts.get("words") else ""
        return chinese.format(*values, words=inner or "").rstrip("：") + rest
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What each sentence looks like with its values, those with most words of their own first."""
    ordered = sorted(REFUSALS.items(), key=lambda pair: -len(re.sub(r"\{.*?\}", "", pair[0])))
    return tuple((_pattern(english), chinese) for english, chinese in ordered)


def _pattern(english: str) -> re.Pattern[str]:
    numbers = iter(range(len(english)))
    marked = _MARK.sub(
        lambda mark: "(?P<words>.*)" if mark[1] else f"(?P<value{next(numbers)}>.+?)", re.escape(english)
    )
    return re.compile(rf"{marked}(?: (?P<rest>.+))?", re.DOTALL)
