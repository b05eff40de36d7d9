"""What the page shows, without a browser: HTML, texts, examples and which endpoints there are."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest
import soundfile
from gradio.utils import get_upload_folder

from acousticsense.analysis.figures import input_png
from acousticsense.analysis.heatmap import HeatPlace
from acousticsense.analysis.results import Timeline
from acousticsense.audio.types import ClipInfo, HealthNote, HealthReport
from acousticsense.errors import (
    AudioDecodeError,
    CorruptCheckpointError,
    OverloadError,
    RequestError,
    UnknownModelError,
)
from acousticsense.i18n.page import UI_TEXTS, ui_text
from acousticsense.inference.answer import Analysis
from acousticsense.inference.payload import prediction_payload
from acousticsense.library.uploads import Upload
from acousticsense.models.genres import GENRES, display_name
from acousticsense.models.spec import Calibration, ModelSpec
from acousticsense.serving.requests import PredictRequest, TimelineRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.web import build_ui
from acousticsense.web.classify_handlers import ClassifyHandlers
from acousticsense.web.compare_tab import CompareHandlers
from acousticsense.web.controls import is_long
from acousticsense.web.example_clips import read_examples
from acousticsense.web.heatmap_view import heatmap_html, heatmap_offer_html
from acousticsense.web.html import clock, excerpt, number, percent, render
from acousticsense.web.inputs import uploaded
from acousticsense.web.levels_view import levels_html
from acousticsense.web.result_view import blank_html, identity_html, result_html
from acousticsense.web.spectrogram_view import spectrogram_html
from acousticsense.web.steps_view import steps_html
from acousticsense.web.theme import build_theme, read_css, read_head
from acousticsense.web.timeline_tab import TimelineHandlers
from acousticsense.web.timeline_view import progress_html, timeline_html
from tests.conftest import run_alone

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "acousticsense" / "web"
#: Everything that names texts.
PAGE = "\n".join(file.read_text(encoding="utf-8") for file in [*WEB.glob("*.py"), *WEB.glob("templates/*.html")])
CARDS = ("ensemble", "timeline", "compare", "library", "similar")
HOSTILE = '<img src=x onerror="alert(1)">&.mp3'


@dataclass
class FakeRequest:
    """A browser's request, as far as the page looks at it."""

    headers: dict[str, str]
    request: None = None
    session_hash: str = "a page"


CHINESE: Any = FakeRequest({"accept-language": "zh-CN,zh;q=0.9"})
ENGLISH: Any = FakeRequest({"accept-language": "en-GB,en;q=0.9"})


def classified(handlers: ClassifyHandlers, *controls: Any, now: bool = False) -> tuple[Any, ...]:
    """The cards at the end, of a new file or of the button."""

    async def last() -> tuple[Any, ...]:
        return [cards async for cards in handlers.classify(*controls, "nothing" if now else "")][-1]

    return run_alone(last())


def sent(path: Path | str) -> Any:
    """What Gradio tells of a file that a browser sent."""
    return {"path": str(path), "orig_name": Path(path).name}


@pytest.fixture(scope="module")
def service(tiny_models: Path) -> PredictionService:
    return PredictionService(Settings(models=tiny_models, model="tiny", device="cpu"))


def timelines(service: PredictionService) -> float:
    """Timelines finished, as `/metrics` tells."""
    return service.metrics.registry.get_sample_value("acousticsense_timelines_total") or 0.0


@pytest.fixture(scope="module")
def spec(service: PredictionService) -> ModelSpec:
    return service.classifier("").spec


@pytest.fixture(scope="module")
def analysis(service: PredictionService, music_wav: Path) -> Analysis:
    return service.analyse(music_wav, PredictRequest())


@pytest.fixture
def handlers(service: PredictionService) -> ClassifyHandlers:
    return ClassifyHandlers(service, GENRES, read_examples())


@pytest.fixture
def upload(music_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The song, where Gradio puts what a browser sends."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = Path(get_upload_folder()) / "a song.wav"
    path.write_bytes(music_wav.read_bytes())
    return path


# Controls


@pytest.mark.parametrize(
    ("controls", "wanted"),
    [
        ((10, False, 3, "resnet50|cqt"), {"model": "resnet50", "spectrogram": "cqt", "duration_s": 10, "offset_s": 3}),
        ((10, True, None, None), {"duration_s": None}),
        ((10, False, -3, ""), {"duration_s": 10}),
    ],
)
def test_classify_and_compare_ask_for_what_the_controls_say(
    controls: tuple[Any, ...], wanted: dict[str, Any], upload: Path
) -> None:
    asked: list[PredictRequest] = []

    class Service:
        def start_answer(self, _: Path, request: PredictRequest) -> None:
            asked.append(request)
            raise RequestError("enough")

        def compare(self, versions: list[Path], request: PredictRequest) -> None:
            self.start_answer(versions[0], request)

        async def answer(self, work: Callable[[], None]) -> None:
            work()

        @property
        def work(self) -> Service:
            return self

    service: Any = Service()
    classified(ClassifyHandlers(service, GENRES, ()), sent(upload), *controls, ENGLISH)
    run_alone(CompareHandlers(service).show([sent(upload), sent(upload)], *controls, ENGLISH))
    assert asked == [PredictRequest(**wanted)] * 2


# Texts


def test_every_text_that_the_page_names_exists() -> None:
    named = set(re.findall(r"""(?:\bt|ui_text|i18n)\(\s*["']([\w.]+)["']\s*[,)]""", PAGE))
    assert len(named) > 100
    assert {key for key in named if not key.startswith("html.")} <= set(UI_TEXTS)


def test_there_is_no_text_that_nobody_uses() -> None:
    made_of_parts = re.findall(r"""["'](\w+(?:\.\w+)?\.)["'] \+|f["'](\w+(?:\.\w+)?\.)\{""", PAGE)
    prefixes = tuple({first or second for first, second in made_of_parts} | {f"{card}." for card in CARDS})
    assert {key for key in UI_TEXTS if not key.startswith(prefixes) and key not in PAGE} == set()


# Figures


@pytest.mark.parametrize(
    ("probability", "words"), [(0.7134, "71.3%"), (1.0, "100.0%"), (0.0, "0.0%"), (0.0001, "<0.1%"), (0.0005, "0.1%")]
)
def test_percent(probability: float, words: str) -> None:
    assert percent(probability) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (8, "0:08"), (8.52, "0:08.5"), (59.96, "1:00"), (125.6, "2:06"), (3723, "1:02:03")],
)
def test_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(44_100, "44\u202f100"), (0.5, "0.5"), (-13.816, "\u221213.82"), (0, "0"), (1e-6, "1e-06")]
)
def test_number(value: float, words: str) -> None:
    assert number(value) == words


# The answer


def test_the_answer_shows_all_sixteen_in_the_models_order_and_the_best_five(analysis: Analysis) -> None:
    html = result_html(analysis.prediction, "song.mp3", "en")
    bars = html.split('data-testid="bars"')[1]
    assert re.findall(r'class="as-label">([^<]+)<', bars) == [label.replace("&", "&amp;") for label in GENRES]
    top = html.split('data-testid="top"')[1].split("</ol>")[0]
    best = analysis.prediction.top(5)
    assert re.findall(r'class="as-value">([^<]+)<', top) == [escape(percent(score.confidence)) for score in best]


def test_the_rank_of_each_bar_lets_the_style_sheet_sort_them(analysis: Analysis) -> None:
    html = result_html(analysis.prediction, "song.mp3", "en")
    ranks = [int(rank) for rank in re.findall(r'data-rank="(\d+)"', html)]
    by_rank = [label for _, label in sorted(zip(ranks, GENRES, strict=True))]
    assert by_rank == [score.label for score in analysis.prediction.top(16)]


def test_chinese_answers_name_the_genres_in_chinese(analysis: Analysis) -> None:
    html = result_html(analysis.prediction, "song.mp3", "zh")
    assert all(display_name(label, "zh") in html for label in GENRES)
    assert "Jazz" not in html


SILENCE = HealthReport((HealthNote(code="silence", severity="error", value=-80.0),))


@pytest.mark.parametrize(
    ("change", "heading"),
    [({"verdict": "not_music"}, "Speech or noise, not music"), ({"health": SILENCE}, "Silence")],
)
def test_what_is_no_music_gets_no_genre(analysis: Analysis, change: dict[str, Any], heading: str) -> None:
    html = result_html(replace(analysis.prediction, **change), "speech.mp3", "en")
    assert f'<h2 class="as-best">{heading}</h2>' in html
    assert "So no genre is shown." in html
    assert not [label for label in GENRES if label in html]
    assert ("About the recording" in html) == ("health" in change)


def test_the_big_percentage_is_explained(analysis: Analysis) -> None:
    best = analysis.prediction.top(1)[0]
    words = f"{percent(best.confidence)} is how probable the model finds {escape(best.label)}"
    assert words in result_html(analysis.prediction, "song.mp3", "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_file_name_cannot_bring_markup_into_the_page(analysis: Analysis, spec: ModelSpec, language: str) -> None:
    prediction = analysis.prediction
    pages = (
        result_html(prediction, HOSTILE, language),
        card(analysis, spec, name=HOSTILE, language=language),
        blank_html(GENRES, language, error=AudioDecodeError(f"{HOSTILE} is no audio.")),
        steps_html(analysis, replace(spec, architecture=HOSTILE), "song.mp3", language),
        identity_html(replace(prediction, model=replace(prediction.model, name=HOSTILE)), language),
        heatmap_offer_html(prediction, answer=HOSTILE, model="", name=HOSTILE, language=language),
    )
    for page in pages:
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;" in page


def test_the_empty_page_has_the_bars_already_so_that_nothing_jumps(analysis: Analysis) -> None:
    empty, full = blank_html(GENRES, "en"), result_html(analysis.prediction, "song.mp3", "en")
    for part in ('class="as-bar"', 'class="as-top"', "as-answer"):
        assert empty.count(part) == full.count(part)


@pytest.mark.parametrize(("track_s", "words"), [(243.1, "0:05 to 0:15 of 4:03"), (None, "0:05 to 0:15")])
def test_which_excerpt_was_analysed(track_s: float | None, words: str) -> None:
    clip = ClipInfo(offset_s=5, duration_s=10, track_duration_s=track_s, sample_rate_hz=44_100, channels=2)
    assert excerpt(clip, "en") == words


# Errors


def test_an_error_says_what_was_wrong_and_what_to_do() -> None:
    error = AudioDecodeError("song.mp3 is text.", hint="Send an mp3.")
    english, chinese = (blank_html(GENRES, language, error=error) for language in ("en", "zh"))
    assert all(part in english for part in ("This file cannot be read as audio.", "song.mp3 is text.", "Send an mp3."))
    assert ui_text("error.audio_undecodable", "zh") in chinese
    assert ui_text("error.audio_undecodable.hint", "zh") in chinese


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CorruptCheckpointError("truncated"), "checkpoint_error"),
        (OverloadError("full"), "overloaded"),
        (RequestError("offset_s is -1."), "bad_request"),
        (UnknownModelError("no such model"), "unknown_model"),
    ],
)
def test_an_error_without_words_of_its_own_takes_its_ancestors(error: Any, code: str) -> None:
    assert ui_text(f"error.{code}", "zh") in blank_html(GENRES, "zh", error=error)


# Confidence levels


def level_cells(spec: ModelSpec, level: str) -> str:
    html = levels_html(spec, "plausible", "en")
    return re.sub(r"<[^>]+>", "|", html.split(f'data-level="{level}"')[1].split("</tr>")[0])


def test_levels_quote_the_card_and_nothing_else(spec: ModelSpec) -> None:
    calibration = Calibration(
        confident_at=1.01,
        plausible_at=0.38,
        mixed_at=0.6,
        not_music_at=None,
        level_accuracy={"plausible": 0.319},
        measured_on="a test",
    )
    card = replace(spec, calibration=calibration)
    assert "never said by this model" in level_cells(card, "confident")
    assert "38% or more" in level_cells(card, "plausible")
    assert "|32%||68%|" in level_cells(card, "plausible")
    assert "not measured" in level_cells(card, "unsure")
    assert 'data-level="not_music"' not in levels_html(card, "unsure", "en")
    counted = replace(spec, calibration=replace(calibration, level_counts={"plausible": (41, 50)}))
    assert "|41 of 50||9 of 50|" in level_cells(counted, "plausible")
    unmeasured = levels_html(replace(spec, calibration=Calibration()), "unsure", "en")
    assert re.findall(r"<td>\d+%</td>", unmeasured) == []


@pytest.mark.parametrize(
    ("measured_on", "chinese"),
    [
        ("439 recordings of 14 genres, artists held out", "439 段录音（14 种流派，其艺人均未用于训练）"),
        ("words of somebody else.", "words of somebody else"),
    ],
)
def test_what_the_thresholds_rest_on_is_told_in_the_readers_language(
    spec: ModelSpec, measured_on: str, chinese: str
) -> None:
    card = replace(spec, calibration=Calibration(measured_on=measured_on))
    assert f"阈值依据：{chinese}。" in levels_html(card, "unsure", "zh")
    assert f"{measured_on.rstrip('.')}." in levels_html(card, "unsure", "en")


# Spectrogram and steps


def card(analysis: Analysis, spec: ModelSpec, *, name: str = "song.mp3", language: str = "en") -> str:
    return spectrogram_html(
        analysis.prediction.clip, analysis.images, spec, model="", image_id="abc", name=name, language=language
    )


def test_the_card_offers_both_images_for_keeping(analysis: Analysis, spec: ModelSpec) -> None:
    html = card(analysis, spec)
    assert 'href="api/spectrograms/abc.png" download="song-mel-spectrogram.png"' in html
    encoded = re.search(r'href="data:image/png;base64,([^"]+)" download="song-mel-input-1.png"', html)
    assert encoded
    assert base64.b64decode(encoded[1]) == input_png(analysis.images)


class Press(gr.EventData):
    """A press of a button in the card, as the browser reports it."""

    def __init__(self, **data: object) -> None:
        super().__init__(None, data)


EXCERPT = {"offset": "4.0", "duration": "3.0", "model": ""}


def test_any_clip_can_be_seen_as_cqt_in_the_excerpt_that_is_shown(handlers: ClassifyHandlers, upload: Path) -> None:
    html = run_alone(handlers.show_kind(sent(upload), ENGLISH, Press(kind="cqt", **EXCERPT)))
    assert 'data-kind="cqt"' in html
    assert 'data-offset="4.0" data-duration="3.0"' in html
    assert "the model itself uses the Mel spectrogram" in html
    assert "cqt-input" not in html
    back = run_alone(handlers.show_kind(sent(upload), ENGLISH, Press(kind="mel", **EXCERPT)))
    assert 'data-kind="mel"' in back
    assert "song-mel-input-1.png" in back


@pytest.mark.parametrize(
    "data",
    [
        {},
        {**EXCERPT, "kind": "waveform"},
        {**EXCERPT, "kind": "chroma"},
        {**EXCERPT, "kind": "cqt", "offset": "-1"},
        {**EXCERPT, "kind": "cqt", "duration": "all"},
        {**EXCERPT, "kind": "cqt", "model": "../tiny"},
    ],
)
def test_a_press_that_makes_no_sense_is_refused_in_words(handlers: ClassifyHandlers, upload: Path, data: Any) -> None:
    with pytest.raises(gr.Error, match=r"\w+ \w+.*\."):
        run_alone(handlers.show_kind(sent(upload), ENGLISH, Press(**data)))


def test_the_steps_show_the_numbers_of_this_clip(analysis: Analysis, spec: ModelSpec) -> None:
    html = steps_html(analysis, spec, "song.mp3", "en")
    for fact in ("44\u202f100 Hz", "2 channels", "220\u202f500 samples", "128 × 431 values", "1 × 3 × 224 × 224"):
        assert fact in html
    assert html.count("<h4>") == 6
    assert html.count('width="224" height="224"') == 1


def test_a_whole_track_shows_a_dozen_of_its_windows(
    service: PredictionService, spec: ModelSpec, tmp_path: Path
) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 8_000 * 150), 8_000)
    html = steps_html(service.analyse(path, PredictRequest(duration_s=None)), spec, "song.mp3", "en")
    assert "12 of 15 windows" in html
    assert html.count('width="224" height="224"') == 12


# What a visitor can do


def test_a_song_gives_an_answer_in_the_language_of_the_browser(handlers: ClassifyHandlers, upload: Path) -> None:
    for request, words in ((ENGLISH, "Top 5"), (CHINESE, "前五名")):
        answer, image, *_ = classified(handlers, sent(upload), 10, False, 0, None, request)
        assert words in answer
        assert 'data-state="ready"' in image


def test_the_download_link_leads_to_the_image(
    handlers: ClassifyHandlers, service: PredictionService, upload: Path
) -> None:
    _, image, *_ = classified(handlers, sent(upload), 10, False, 0, None, ENGLISH)
    link = re.search(r"api/spectrograms/([\w-]+)\.png", image)
    assert link
    assert (service.images.get(link[1]) or b"").startswith(b"\x89PNG")


def test_the_chosen_excerpt_is_analysed(handlers: ClassifyHandlers, upload: Path) -> None:
    assert "0:04 to 0:07 of 0:12" in classified(handlers, sent(upload), 3, False, 4, None, ENGLISH)[0]
    assert "0:00 to 0:12 of 0:12" in classified(handlers, sent(upload), 3, True, 0, None, ENGLISH)[0]


def test_an_offset_beyond_the_end_is_explained(handlers: ClassifyHandlers, upload: Path) -> None:
    answer, image, *_ = classified(handlers, sent(upload), 10, False, 99, None, ENGLISH)
    assert 'data-state="error"' in answer
    assert 'data-state="empty"' in image


def test_nothing_to_classify_is_said_only_to_those_who_ask(handlers: ClassifyHandlers) -> None:
    assert 'data-state="empty"' in classified(handlers, None, 10, False, 0, None, ENGLISH)[0]
    assert "There is no song yet." in classified(handlers, None, 10, False, 0, None, ENGLISH, now=True)[0]


def test_an_upload_keeps_the_name_that_its_owner_gave_it(upload: Path) -> None:
    assert uploaded({"path": str(upload), "orig_name": "a song?!.wav"}).name == "a song?!.wav"
    assert uploaded({"path": str(upload)}).name == "a song.wav"


def test_a_start_before_the_beginning_is_the_beginning(handlers: ClassifyHandlers, upload: Path) -> None:
    assert "0:00 to 0:03 of 0:12" in classified(handlers, sent(upload), 3, False, -3, None, ENGLISH)[0]
    assert "0:00 to 0:03 of 0:12" in classified(handlers, sent(upload), 3, False, None, None, ENGLISH)[0]


def test_components_hand_files_on_as_they_were_sent(service: PredictionService) -> None:
    file = gr.FileData(path="a.mp3", orig_name="a!.mp3")
    takers = [block for block in build_ui(service).blocks.values() if isinstance(block, gr.Audio | gr.File)]
    assert len(takers) == 5
    assert all(taker.preprocess(file) is file for taker in takers)


def test_models_with_the_same_weights_are_ticked_once(tiny_models: Path, tmp_path: Path) -> None:
    for names in (["tiny"], ["tiny", "twin"]):
        shutil.copytree(tiny_models / "tiny", tmp_path / names[-1])
        service = PredictionService(Settings(models=tmp_path, model="tiny", device="cpu"))
        (ticks,) = (block for block in build_ui(service).blocks.values() if isinstance(block, gr.CheckboxGroup))
        assert [name for _, name in ticks.choices] == names
        assert ticks.value == ["tiny"]
        assert bool(ticks.info) == (len(names) > 1)  # which says why


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc", "no such file", "a\0b"])
def test_only_uploaded_files_are_read(path: str, upload: Path) -> None:
    assert uploaded(sent(upload)) == Upload(path=upload, name="a song.wav")
    with pytest.raises(RequestError, match="no file uploaded to this server"):
        uploaded({"path": path})


def test_a_link_out_of_the_upload_folder_is_not_followed(upload: Path) -> None:
    link = upload.with_name("link.mp3")
    link.symlink_to("/etc/passwd")
    with pytest.raises(RequestError, match="no file uploaded to this server"):
        uploaded({"path": str(link)})


def test_a_long_track_has_no_waveform_in_the_browser(tmp_path: Path) -> None:
    short, long, odd = (tmp_path / name for name in ("short.wav", "long.wav", "odd.m4a"))
    soundfile.write(short, np.zeros(8_000), 8_000)
    soundfile.write(long, np.zeros(8_000 * 901, dtype=np.int16), 8_000)
    odd.write_bytes(b"?")
    assert [is_long(path) for path in (short, long, odd)] == [False, True, False]


def test_gradios_own_endpoint_answers_what_rest_answers(
    handlers: ClassifyHandlers, service: PredictionService, upload: Path
) -> None:
    answer = run_alone(handlers.predict(sent(upload), ENGLISH))
    expected = prediction_payload(service.analyse(upload, PredictRequest()).prediction)
    for key in ("prediction", "probabilities", "verdict", "advice", "health", "clip", "model"):
        assert answer[key] == expected[key]
    assert answer["mel_spectrogram_url"].endswith(".png")


def test_the_chosen_image_is_analysed_and_shown(cnn_models: Path, upload: Path) -> None:
    service = PredictionService(Settings(models=cnn_models, model="mobilenetv3_large", device="cpu"))
    handlers = ClassifyHandlers(service, GENRES, ())
    result, _, offer, below, *_ = classified(handlers, sent(upload), 10, False, 0, "|cqt", ENGLISH)
    prediction = service.analyse(upload, PredictRequest(spectrogram="cqt", duration_s=10.0)).prediction
    assert percent(prediction.top(1)[0].confidence) in result
    assert "Log constant-Q spectrogram" in below
    assert 'data-spectrogram="cqt"' in offer
    answer = run_alone(handlers.predict(sent(upload), ENGLISH, spectrogram="cqt"))
    assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        ({"path": "/etc/passwd"}, "names no file uploaded to this server"),
        ({}, "There is no audio file"),
        ({"path": 3}, "There is no audio file"),
    ],
)
def test_gradios_own_endpoint_refuses_in_words(handlers: ClassifyHandlers, audio: dict[str, Any], words: str) -> None:
    with pytest.raises(gr.Error, match=words) as refused:
        run_alone(handlers.predict(audio, ENGLISH))
    assert not refused.value.print_exception


def test_public_endpoints_need_nothing_but_the_file(service: PredictionService) -> None:
    page = build_ui(service)
    endpoints = page.get_api_info()["named_endpoints"]
    assert set(endpoints) == {"/batch", "/compare", "/ensemble", "/explain", "/predict", "/timeline"}
    for name, endpoint in endpoints.items():
        needed = [entry["parameter_name"] for entry in endpoint["parameters"] if not entry["parameter_has_default"]]
        assert needed == {"/compare": ["a", "b"], "/batch": ["files"]}.get(name, ["audio"])


def test_an_idle_page_leaves_the_processor_alone(service: PredictionService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio looks into its queue a thousand times a second unless it is told otherwise."""
    queue = build_ui(service)._queue
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        queue.stopped = True

    monkeypatch.setattr(asyncio, "sleep", sleep)
    queue.stopped = False
    run_alone(queue.start_processing())
    assert waits
    assert min(waits) >= 0.01


# Where the model looked


def test_each_answer_offers_the_heat_maps_of_its_five_best_genres(handlers: ClassifyHandlers, upload: Path) -> None:
    answer, _, offer, *_ = classified(handlers, sent(upload), 10, False, 1, None, ENGLISH)
    top = answer.split('data-testid="top"')[1].split("</ol>")[0]
    named = re.findall(r'class="as-label">([^<]+)<', top)
    assert re.findall(r'data-as-label="([^"]+)" aria-pressed="false"', offer) == named
    assert 'data-offset="1.0"' in offer
    assert "as-view" not in offer
    assert classified(handlers, None, 10, False, 0, None, ENGLISH)[2] == ""


@pytest.mark.parametrize(("language", "words"), [("en", "Coloured places raise"), ("zh", "着色处提高了")])
def test_a_heat_map_is_laid_over_the_spectrogram(
    service: PredictionService, upload: Path, language: str, words: str
) -> None:
    explanation = service.work.explain(upload, PredictRequest(offset_s=1.0), "R&B")
    html = heatmap_html(explanation, image_id="abc", answer="def", model="", name=HOSTILE, language=language)
    assert re.findall(r'data-as-label="([^"]+)" aria-pressed="true"', html) in ([], ["R&amp;B"])
    layer = html.split('class="as-layer"')[1].split("</div>")[0]
    assert layer.count("<img") == 2
    assert 'class="as-heat"' in layer
    assert "data-as-opacity" in html
    assert words in html
    assert ui_text("heat.short", language, words="|").split("|")[0] in html
    assert "14 × 14" in html
    assert 'href="api/spectrograms/abc.png"' in html
    assert "<img src=x" not in html


def test_the_image_that_was_analysed_is_explained(cnn_models: Path, upload: Path) -> None:
    service = PredictionService(Settings(models=cnn_models, model="mobilenetv3_large", device="cpu"))
    maps = {}
    for kind in ("mel", "cqt"):
        explanation = service.work.explain(upload, PredictRequest(spectrogram=kind), "Jazz")
        analysed = service.analyse(upload, PredictRequest(spectrogram=kind)).prediction
        assert explanation.analysis.images.front_end.kind == kind
        assert explanation.heatmap.probability == analysed.probabilities["Jazz"]
        maps[kind] = explanation.heatmap.grids
    assert (maps["mel"] != maps["cqt"]).any()


def test_what_is_not_in_the_image_is_said(service: PredictionService, upload: Path) -> None:
    explanation = service.work.explain(upload, PredictRequest(), "")
    cold = replace(explanation, heatmap=replace(explanation.heatmap, hottest=None))
    assert "Nothing in this image speaks for" in heatmap_html(
        cold, image_id="abc", answer="def", model="", name="a.mp3", language="en"
    )
    some = replace(explanation, heatmap=replace(explanation.heatmap, n_windows=30))
    assert "Only the 1 of 30 windows" in heatmap_html(
        some, image_id="abc", answer="def", model="", name="a.mp3", language="en"
    )


def test_of_a_map_of_one_row_no_frequency_is_said(service: PredictionService, upload: Path) -> None:
    explanation = service.work.explain(upload, PredictRequest(), "")
    row = explanation.heatmap.grids.mean(axis=1, keepdims=True)
    flat = replace(explanation.heatmap, grids=row, hottest=HeatPlace(time_s=3.0, frequency_hz=None))
    html = heatmap_html(
        replace(explanation, heatmap=flat), image_id="abc", answer="def", model="", name="a.mp3", language="en"
    )
    words = re.sub(r"<[^>]+>", "", html)
    assert "the hottest lies around 0:03. It" in words
    assert "notes" not in words.split("In short: ")[1].split(".")[0]


# Look and examples


def test_nothing_in_the_style_script_or_theme_comes_from_elsewhere() -> None:
    theme = build_theme()
    assert not theme._stylesheets
    for text in (read_css(), read_head(), theme._get_theme_css()):
        assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+/", text)) <= {
            "http://www.w3.org/"
        }  # SVG's name, not a place


def test_every_example_may_be_shared_and_says_whose_it_is() -> None:
    clips = read_examples()
    assert len(clips) == 6
    assert {clip.path.suffix for clip in clips} >= {".mp3", ".wav", ".ogg"}
    html = render("examples.html", "en", clips=clips)
    for clip in clips:
        assert clip.path.stat().st_size < 300_000
        assert soundfile.info(clip.path).duration <= 12.1
        assert clip.licence.startswith(("CC BY", "CC0", "GPL"))
        assert all(part.replace("&", "&amp;") in html for part in (clip.title, clip.artist, clip.licence))


def test_the_list_of_examples_is_complete() -> None:
    folder = ROOT / "examples"
    listed = {entry["file"] for entry in json.loads((folder / "examples.json").read_text(encoding="utf-8"))}
    assert listed == {file.name for file in folder.iterdir() if file.suffix in (".mp3", ".ogg", ".wav")}


def test_without_an_examples_folder_the_page_still_works(tmp_path: Path) -> None:
    assert read_examples(tmp_path) == ()


# Timeline


@pytest.fixture(scope="module")
def timeline(service: PredictionService, music_wav: Path) -> Timeline:
    return service.start_timeline(music_wav, TimelineRequest(window_s=2.0)).result()


def test_the_timeline_shows_every_segment_and_its_files(timeline: Timeline) -> None:
    html = timeline_html(timeline, "some-id", "a song.wav", "en")
    assert html.count("<tr>") == 1 + len(timeline.segments)
    assert html.count("data-as-seek") == 2 * len(timeline.segments)
    for suffix in ("csv", "json", "txt"):
        assert f'href="api/timelines/some-id.{suffix}" download="a song-timeline.{suffix}"' in html
    for suffix in ("cue", "xml"):
        assert f'href="api/timelines/some-id.{suffix}?song=a%20song.wav"' in html
    assert f"{len(timeline.windows)} windows of 2 s" in html


def test_segments_that_are_not_shown_are_counted_and_unsure_ones_are_marked(timeline: Timeline) -> None:
    one = replace(timeline.segments[0], start_s=0.0, end_s=1.0, verdict="unsure")
    segments = tuple(replace(one, start_s=float(n), end_s=n + 1.0) for n in range(12))
    html = timeline_html(replace(timeline, segments=segments), "id", "a.wav", "en")
    assert "10 of 12 segments are shown." in html
    assert "data-as-all" in html
    assert html.count('data-level="unsure"') == 2 * len(segments)
    assert ui_text("timeline.hatched") in html
    html = timeline_html(replace(timeline, segments=segments[:10]), "id", "a.wav", "en")
    assert "data-as-all" not in html


def test_the_timeline_in_chinese(timeline: Timeline) -> None:
    html = timeline_html(timeline, "some-id", "歌.wav", "zh")
    assert display_name(str(timeline.segments[0].genre), "zh") in html
    assert not re.search(r">(From|Genre|Verdict|Others)<", html)


def test_names_from_outside_are_escaped_in_the_timeline(timeline: Timeline) -> None:
    assert HOSTILE not in timeline_html(timeline, "id", HOSTILE, "en")


def test_the_layers_of_a_timeline_fill_the_figure(timeline: Timeline) -> None:
    """The uppermost layer ends at the top, the lowest begins at the bottom, and there is one for the other genres."""
    paths = re.findall(r'<path data-colour="(\w+)" d="([^"]+)"', timeline_html(timeline, "id", "a.wav", "en"))
    assert [colour for colour, _ in paths] == [*"01234567", "other"]
    tops = re.findall(r"V([\d.]+)", paths[-1][1].split("H100")[0])
    assert all(float(top) == pytest.approx(0, abs=0.01) for top in tops)


def test_silence_and_what_is_not_music_leave_a_gap(timeline: Timeline) -> None:
    windows = tuple(
        replace(window, verdict="silence" if index % 2 else "not_music", probabilities={}, not_music=None)
        for index, window in enumerate(timeline.windows)
    )
    segment = replace(timeline.segments[0], genre=None, confidence=None, verdict="silence", end_s=12.0)
    html = timeline_html(replace(timeline, windows=windows, segments=(segment,)), "id", "a.wav", "en")
    assert "No music found" in html
    assert 'data-colour="silence"' in html
    assert "Not music" in html


def test_a_timeline_of_hours_is_drawn_with_few_columns(timeline: Timeline) -> None:
    windows = tuple(replace(timeline.windows[0], start_s=2.0 * index, end_s=2.0 * index + 2) for index in range(4000))
    segment = replace(timeline.segments[0], end_s=8000.0)
    html = timeline_html(replace(timeline, windows=windows, segments=(segment,)), "id", "a.wav", "en")
    assert len(html) < 400_000
    assert html.count("H") < 20_000


def test_progress_says_how_far_and_how_long() -> None:
    html = progress_html(90.0, 1800.0, 61.3, 0, "en")
    assert "1:30 of 30:00 analysed · about 1:01 left" in html
    assert 'aria-valuenow="5"' in html
    assert "1:30 analysed" in progress_html(90.0, None, None, 0, "en")
    assert 'aria-valuenow="100"' in progress_html(90.0, 60.0, None, 0, "zh")  # a header that promises too little
    assert "第 2 位" in progress_html(0.0, None, None, 2, "zh")


def drawn(handlers: TimelineHandlers, path: Path | str | None, window_s: float = 2.0) -> list[str]:
    async def collect() -> list[str]:
        return [words async for words in handlers.draw(path and sent(path), window_s, window_s, 0, "", CHINESE)]

    return run_alone(collect())


def test_the_tab_tells_progress_and_then_the_timeline(service: PredictionService, upload: Path) -> None:
    *before, last = drawn(TimelineHandlers(service), upload)
    assert all('data-state="running"' in words for words in before)
    assert 'data-state="ready"' in last
    assert "a song.wav" in last


def test_the_tab_explains_what_is_wrong(service: PredictionService, upload: Path, music_wav: Path) -> None:
    handlers = TimelineHandlers(service)
    assert ui_text("error.nothing", "zh") in drawn(handlers, None)[-1]
    assert ui_text("error.bad_request", "zh") in drawn(handlers, music_wav)[-1]  # no upload
    assert ui_text("error.bad_request", "zh") in drawn(handlers, upload, window_s=99.0)[-1]


def test_a_closed_page_ends_its_timeline(service: PredictionService, upload: Path) -> None:
    async def leave() -> None:
        run = TimelineHandlers(service).draw(sent(upload), 1.0, 0.1, 0, "", ENGLISH)
        assert 'data-state="running"' in await anext(run)
        await run.aclose()  # type: ignore[attr-defined]

    started = timelines(service)
    run_alone(leave())
    service.queues.timelines.wait_until_empty(60)
    assert timelines(service) == started


def test_a_stopped_timeline_ends_in_its_own_words(service: PredictionService, upload: Path) -> None:
    handlers, page = TimelineHandlers(service), cast(gr.Request, ENGLISH)

    async def stop() -> list[str]:
        run = handlers.draw(sent(upload), 1.0, 0.1, 0, "", page)
        assert 'data-state="running"' in await anext(run)
        handlers.stop(page)
        return [words async for words in run]

    started = timelines(service)
    (last,) = run_alone(stop())
    assert ui_text("timeline.stopped") in last
    service.queues.timelines.wait_until_empty(60)
    assert timelines(service) == started
    assert not handlers._runs._runs
    handlers.stop(page)  # pressed once more


def test_a_new_file_ends_the_timeline_of_another_and_not_its_own(service: PredictionService, upload: Path) -> None:
    handlers, page = TimelineHandlers(service), cast(gr.Request, ENGLISH)

    async def choose() -> None:
        run = handlers.draw(sent(upload), 1.0, 0.1, 0, "", page)
        assert 'data-state="running"' in await anext(run)
        # the page tells of a file after it has asked for its timeline
        assert handlers.clear(sent(upload), page) == gr.skip()
        assert 'data-state="running"' in await anext(run)
        assert 'data-state="empty"' in handlers.clear(sent(upload.with_name("another.wav")), page)
        assert [words async for words in run] == [gr.skip()]  # nothing is written over the new card

    started = timelines(service)
    run_alone(choose())
    service.queues.timelines.wait_until_empty(60)
    assert timelines(service) == started
    assert not handlers._runs._runs
