"""The card for the whole song, without a browser: what it says, and that its work ends when nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest
import soundfile
from gradio.utils import get_upload_folder

from acousticsense.analysis.results import Segment, Timeline
from acousticsense.analysis.timeline import make_timeline
from acousticsense.analysis.whole_song import sum_up
from acousticsense.audio.types import ClipInfo
from acousticsense.errors import OverloadError
from acousticsense.i18n.page import ui_text
from acousticsense.models.genres import GENRES, display_name
from acousticsense.serving.queues import give_way
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.web.classify_handlers import ClassifyHandlers
from acousticsense.web.segments_view import mostly, others_of, part_of
from acousticsense.web.whole_song_card import WholeSongHandlers
from acousticsense.web.whole_song_view import ExcerptAnswer, song_html, song_note_html
from tests.conftest import RATE_HZ, play_chords, run_alone
from tests.web.test_page import CHINESE, ENGLISH, HOSTILE, classified, sent, timelines

PAGE = cast(gr.Request, ENGLISH)


@pytest.fixture(scope="module")
def service(tiny_models: Path) -> PredictionService:
    return PredictionService(Settings(models=tiny_models, model="tiny", device="cpu", max_timeline_s=3600))


@pytest.fixture
def upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """12 s of music, 22 s of silence and 40 s of other music, where Gradio puts what a browser sends."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = Path(get_upload_folder()) / "a song.wav"
    silence = np.zeros((22 * RATE_HZ, 2), np.float32)
    soundfile.write(path, np.concatenate([play_chords(12.0), silence, play_chords(40.0, seed=1)]), RATE_HZ)
    return path


@pytest.fixture
def part(upload: Path) -> ExcerptAnswer:
    """The answer for its first ten seconds."""
    return part_of_track(upload, 74.0)


def part_of_track(path: Path, track_s: float | None, what: str = "Jazz") -> ExcerptAnswer:
    clip = ClipInfo(offset_s=0.0, duration_s=10.0, track_duration_s=track_s, sample_rate_hz=RATE_HZ, channels=2)
    return ExcerptAnswer(path=path, model="", kind=None, what=what, clip=clip)


def followed(handlers: WholeSongHandlers, part: ExcerptAnswer | None, song: Any, request: Any = ENGLISH) -> list[str]:
    async def collect() -> list[str]:
        return [words async for words in handlers.follow(song, part, request)]

    return run_alone(collect())


# After an answer


def test_an_answer_says_which_part_it_is_for(service: PredictionService, upload: Path) -> None:
    handlers = ClassifyHandlers(service, GENRES, ())
    *_, card, part = classified(handlers, sent(upload), 10, False, 3, None, PAGE)
    assert 'data-state="empty"' in card
    assert part is not None
    best = service.classifier("").predict(upload, offset_s=3.0).top(1)[0].label
    assert (part.path, part.what, part.clip.offset_s, part.clip.track_duration_s) == (upload, best, 3.0, 74.0)
    *_, part = classified(handlers, sent(upload), 10, False, 13, None, PAGE)
    assert part is not None
    assert part.what == "silence"
    *_, card, part = classified(handlers, None, 10, False, 0, None, PAGE)
    assert 'data-state="empty"' in card
    assert part is None


def test_the_whole_song_follows_with_the_numbers_of_the_timeline(
    service: PredictionService, upload: Path, part: ExcerptAnswer
) -> None:
    *before, last = followed(WholeSongHandlers(service), part, sent(upload))
    assert all('data-state="running"' in words for words in before)
    made = make_timeline(service.classifier(""), upload)
    song = sum_up(made)
    what, time = mostly(song, "en")
    assert f"<b>Whole song: {what}, {time}</b>" in last
    assert last.count("data-as-hear") == len(made.segments)
    for score in song.top(3):
        assert f"{escape(display_name(score.label))} {100 * score.confidence:.1f}%" in last


def test_each_segment_is_there_in_words(service: PredictionService, upload: Path, part: ExcerptAnswer) -> None:
    html = followed(WholeSongHandlers(service), part, sent(upload), CHINESE)[-1]
    made = make_timeline(service.classifier(""), upload)
    assert html.count("<li>") >= len(made.segments)
    assert "0:20 至 0:30: 静音" in html
    assert "Whole song" not in html


def test_another_song_by_now_or_no_answer_gets_no_card(
    service: PredictionService, upload: Path, part: ExcerptAnswer
) -> None:
    other = upload.with_name("other.wav")
    other.write_bytes(upload.read_bytes())
    handlers = WholeSongHandlers(service)
    assert followed(handlers, part, sent(other)) == [gr.skip()]
    assert followed(handlers, None, sent(upload)) == [gr.skip()]
    assert followed(handlers, part, None) == [gr.skip()]


@pytest.mark.parametrize(
    ("track_s", "key", "offers_tab"), [(1801.0, "song.is.long", True), (3601.0, "song.is.too_long", False)]
)
def test_a_track_that_is_too_long_is_left_to_the_timeline(
    service: PredictionService, upload: Path, track_s: float, key: str, offers_tab: bool
) -> None:
    started = timelines(service)
    (card,) = followed(WholeSongHandlers(service), part_of_track(upload, track_s), sent(upload))
    limit = "30:00" if offers_tab else "1:00:00"
    total = "30:01" if offers_tab else "1:00:01"
    assert ui_text(key, "en", total=total, limit=limit) in card
    assert ('data-as-act="expand"' in card) == offers_tab
    assert timelines(service) == started


def test_what_goes_wrong_is_said_and_can_be_tried_again(
    service: PredictionService, upload: Path, part: ExcerptAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OverloadError("The server is busy and its queue is full.")

    monkeypatch.setattr(service, "start_timeline", refuse)
    (card,) = followed(WholeSongHandlers(service), part, sent(upload))
    assert ui_text("error.overloaded") in card
    assert 'data-as-act="retry"' in card


def test_a_fault_of_ours_leaves_no_card_that_seems_to_work(service: PredictionService) -> None:
    card = WholeSongHandlers(service).explain_failure(PAGE)
    assert ui_text("error.unexpected") in card
    assert 'data-state="failed"' in card


# When nobody waits any more


@dataclass
class Ended:
    """What was told after the first card, and how many timelines were finished."""

    rest: list[Any]
    finished: float


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Until it is set, no timeline goes on."""
    may_go_on = threading.Event()

    def wait(*waiting: Any) -> None:
        assert may_go_on.wait(60)
        give_way(*waiting)

    monkeypatch.setattr("acousticsense.serving.service.give_way", wait)
    return may_go_on


def ended(
    service: PredictionService,
    handlers: WholeSongHandlers,
    part: ExcerptAnswer,
    held: threading.Event,
    end: Callable[[AsyncGenerator[str, None]], Awaitable[None]],
) -> Ended:
    """Begins to follow a song, ends that, and waits until the work has ended."""

    async def play() -> list[str]:
        run = handlers.follow(cast(Any, sent(part.path)), part, PAGE)
        assert 'data-state="running"' in await anext(run)
        await end(run)
        held.set()
        return [words async for words in run]

    started = timelines(service)
    rest = run_alone(play())
    service.queues.songs.wait_until_empty(60)
    assert service.queues.songs.inside == 0
    assert not handlers._runs._runs
    return Ended(rest, timelines(service) - started)


def test_stop_ends_the_work_and_offers_it_again(
    service: PredictionService, part: ExcerptAnswer, held: threading.Event
) -> None:
    handlers = WholeSongHandlers(service)

    async def stop(_: AsyncGenerator[str, None]) -> None:
        handlers.stop(PAGE)

    result = ended(service, handlers, part, held, stop)
    assert result.finished == 0
    assert ui_text("song.is.stopped") in result.rest[-1]
    assert 'data-as-act="retry"' in result.rest[-1]
    handlers.stop(PAGE)  # pressed once more


def test_a_new_prediction_ends_the_work_of_the_former_without_a_word(
    service: PredictionService, part: ExcerptAnswer, held: threading.Event
) -> None:
    handlers = ClassifyHandlers(service, GENRES, ())

    async def predict(_: AsyncGenerator[str, None]) -> None:
        assert [cards async for cards in handlers.classify(sent(part.path), 10, False, 5, None, PAGE)]

    result = ended(service, handlers.whole_song, part, held, predict)
    assert result == Ended([gr.skip()], 0)


def test_a_cleared_song_ends_its_work(service: PredictionService, part: ExcerptAnswer, held: threading.Event) -> None:
    handlers = ClassifyHandlers(service, GENRES, ())

    async def clear(_: AsyncGenerator[str, None]) -> None:
        assert [cards async for cards in handlers.classify(None, 10, False, 0, None, PAGE)]

    assert ended(service, handlers.whole_song, part, held, clear) == Ended([gr.skip()], 0)


def test_a_closed_page_ends_its_work(service: PredictionService, part: ExcerptAnswer, held: threading.Event) -> None:
    async def leave(run: AsyncGenerator[str, None]) -> None:
        await run.aclose()

    assert ended(service, WholeSongHandlers(service), part, held, leave) == Ended([], 0)


def test_another_page_is_left_in_peace(service: PredictionService, part: ExcerptAnswer, held: threading.Event) -> None:
    handlers = WholeSongHandlers(service)
    other = cast(gr.Request, replace(ENGLISH, session_hash="another page"))

    async def play() -> bool:
        run = handlers.follow(cast(Any, sent(part.path)), part, PAGE)
        await anext(run)
        handlers.stop(other)
        handlers.leave(other)
        goes_on = 'data-state="running"' in await anext(run)
        await run.aclose()
        return goes_on

    assert run_alone(play())
    held.set()
    service.queues.songs.wait_until_empty(60)


# Words


@pytest.fixture(scope="module")
def timeline(service: PredictionService, music_wav: Path) -> Timeline:
    return make_timeline(service.classifier(""), music_wav)


def with_segments(timeline: Timeline, *parts: tuple[str | None, float]) -> Timeline:
    """The timeline with other segments, and windows that agree with the first label; None is silence."""
    segments, end_s = [], 0.0
    for genre, seconds in parts:
        verdict: Any = "plausible" if genre else "silence"
        confidence = 0.9 if genre else None
        segments.append(
            Segment(start_s=end_s, end_s=end_s + seconds, genre=genre, confidence=confidence, verdict=verdict)
        )
        end_s += seconds
    first = next((genre for genre, _ in parts if genre), "Jazz")
    likely = {label: 0.9 if label == first else 0.1 / (len(GENRES) - 1) for label in GENRES}
    windows = tuple(replace(window, probabilities=likely, verdict="plausible") for window in timeline.windows)
    return replace(timeline, segments=tuple(segments), windows=windows)


def test_the_line_says_what_most_of_a_song_is(timeline: Timeline) -> None:
    song = sum_up(with_segments(timeline, ("Jazz", 190.0), ("Blues", 40.0), (None, 12.0)))
    assert mostly(song, "en") == ("mostly Jazz", "3:10 of 4:02")
    assert mostly(song, "zh") == ("以爵士为主", "3:10 / 4:02")
    assert others_of(song, "en") == "Blues 40 s · silence 12 s"
    assert mostly(sum_up(with_segments(timeline, ("Hip-Hop", 45.0))), "en") == ("Hip-Hop throughout", "45 s")
    several = sum_up(with_segments(timeline, ("Jazz", 100.0), ("Pop", 90.0), ("Rock", 80.0)))
    assert mostly(several, "en") == ("no one genre; longest Jazz", "1:40 of 4:30")
    assert part_of(35.2, 44.8, "en") == "35 of 45 s"


def test_more_genres_than_are_named_are_counted(timeline: Timeline) -> None:
    made = with_segments(timeline, *((label, 100.0 - n) for n, label in enumerate(GENRES[:9])))
    assert others_of(sum_up(made), "en").endswith("· 5 more")
    html = song_html(made, part_of_track(Path("a.wav"), 900.0), "en")
    assert "<li>3 more</li>" in html


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("Pop", "0:00 to 0:10 sounded like Pop, but the song as a whole is mostly Jazz."),
        ("silence", "0:00 to 0:10 was silence, but the song as a whole is mostly Jazz."),
        ("not_music", "0:00 to 0:10 was speech or noise, but the song as a whole is mostly Jazz."),
        ("Jazz", ""),
    ],
)
def test_a_contradiction_is_said_in_one_sentence(timeline: Timeline, what: str, words: str) -> None:
    html = song_html(
        with_segments(timeline, ("Jazz", 190.0), ("Pop", 20.0)), part_of_track(Path("a.wav"), 210.0, what), "en"
    )
    assert (words in html) if words else ("as-differs" not in html)


def test_an_answer_for_the_whole_track_is_not_contradicted(timeline: Timeline) -> None:
    part = part_of_track(Path("a.wav"), 210.0, "Pop")
    all_of_it = replace(part, clip=replace(part.clip, duration_s=210.0))
    assert "as-differs" not in song_html(with_segments(timeline, ("Jazz", 190.0), ("Pop", 20.0)), all_of_it, "en")


def test_labels_from_outside_are_escaped(timeline: Timeline) -> None:
    made = with_segments(timeline, (HOSTILE, 190.0))
    labels = (HOSTILE, *timeline.labels[1:])
    windows = tuple(replace(window, probabilities=dict.fromkeys(labels, 1 / len(labels))) for window in made.windows)
    html = song_html(replace(made, labels=labels, windows=windows), part_of_track(Path("a.wav"), 190.0), "en")
    assert HOSTILE not in html
    assert HOSTILE not in song_note_html("long", "en", words=HOSTILE)


# An answer that takes its time


def test_an_answer_that_takes_long_tells_how_far_it_is_and_can_be_stopped(
    service: PredictionService, upload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, predict, may_go_on = ClassifyHandlers(service, GENRES, ()), service.work.predict, threading.Event()
    finished: list[Any] = []

    def held(*asked: Any) -> Any:
        assert may_go_on.wait(60)
        finished.append(predict(*asked))
        return finished[0]

    monkeypatch.setattr(service.work, "predict", held)

    async def until_stopped() -> list[str]:
        answers = []
        async for cards in handlers.classify(cast(Any, sent(upload)), 9, True, 0, None, PAGE):
            answers.append(cards[0])
            handlers.stop(PAGE)
        return answers

    running, stopped = run_alone(until_stopped())
    assert 'data-state="running"' in running
    assert "Reading the file … 0:01" in running
    assert ui_text("stopped.title") in stopped
    may_go_on.set()
    service.queues.predictions.wait_until_empty(60)
    assert finished == []  # the work ended, too


def test_a_track_that_is_too_long_is_offered_to_the_timeline(tiny_models: Path, upload: Path) -> None:
    for longest_s, is_offered in ((3600.0, True), (60.0, False)):
        settings = Settings(models=tiny_models, model="tiny", device="cpu", max_clip_s=30, max_timeline_s=longest_s)
        handlers = ClassifyHandlers(PredictionService(settings), GENRES, ())
        answer, *_ = classified(handlers, sent(upload), 10, True, 0, None, PAGE)
        assert 'data-state="error"' in answer
        assert ('data-as-act="expand"' in answer) == is_offered
