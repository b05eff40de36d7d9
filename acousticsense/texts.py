"""Every sentence shown to a user, in English and Chinese, by key. `{name}` marks are filled in by `text`."""

from __future__ import annotations

from typing import Final

__all__ = ["LANGUAGES", "TEXTS", "preferred_language", "text"]

LANGUAGES: Final = ("en", "zh")

VERDICTS: Final[dict[str, tuple[str, str]]] = {
    "verdict.confident": ("Confident", "有把握"),
    "verdict.plausible": ("Plausible", "较可能"),
    "verdict.mixed": ("A mix of styles", "风格混合"),
    "verdict.unsure": ("Unsure", "不确定"),
    "verdict.not_music": ("Not music", "不是音乐"),
}

ADVICE: Final[dict[str, tuple[str, str]]] = {
    "advice.confident": ("This is very likely {best}.", "很可能是{best}。"),
    "advice.plausible": ("{best} is the best guess; {second} comes next.", "最可能是{best}，其次是{second}。"),
    "advice.mixed": ("This lies between {best} and {second}.", "介于{best}与{second}之间。"),
    "advice.unsure": (
        "No genre stands out; {best} is only slightly ahead. Treat it as unknown.",
        "没有哪种流派明显领先，{best}仅略占优势，请视为未知。",
    ),
    "advice.not_music": (
        "This does not sound like music, so the genres below mean little.",
        "这段声音不像音乐，下面的流派结果意义不大。",
    ),
    "advice.measured": (
        "On real music that the model had not heard in training, answers given this verdict were right {percent:.0f} % of the time.",
        "在训练中未听过的真实音乐上，得到该结论的回答有 {percent:.0f}% 是正确的。",
    ),
    "advice.unmeasured": (
        "How often this model is right at this level has not been measured.",
        "该模型在此置信水平下的正确率尚未测量。",
    ),
    "advice.other_stretch": (
        "Try another stretch of the track, such as the chorus: change the offset or judge more seconds.",
        "可以换一段再试，例如副歌：调整起点，或分析更长的时间。",
    ),
    "advice.check_audio": (
        "The recording itself has problems (see the notes); a cleaner copy may be judged differently.",
        "录音本身存在问题（见提示），换一份更干净的文件结果可能不同。",
    ),
}

HEALTH: Final[dict[str, tuple[str, str]]] = {}

TEXTS: Final[dict[str, tuple[str, str]]] = {**VERDICTS, **ADVICE, **HEALTH}


def text(key: str, language: str = "en", **values: str | float) -> str:
    """The sentence behind `key`, filled with `values`.

    Raises:
        KeyError: no such key; every key that code uses is checked by a test.
    """
    english, chinese = TEXTS[key]
    return (chinese if language == "zh" else english).format(**values)


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
