"""One parser: whoever asks, the same fields make the same request or the same complaint."""

from __future__ import annotations

from typing import Any

import pytest

from acousticsense.errors import RequestError
from acousticsense.serving.requests import (
    CompareRequest,
    EnsembleRequest,
    ExplainRequest,
    PredictRequest,
    TimelineRequest,
    parse,
)

KINDS = (PredictRequest, ExplainRequest, CompareRequest, EnsembleRequest, TimelineRequest)


def test_words_of_a_form_and_values_of_json_are_the_same() -> None:
    words = {"model": "tiny", "duration_s": "3", "offset_s": "1.5", "top_k": "2", "private": "true"}
    values = {"model": "tiny", "duration_s": 3, "offset_s": 1.5, "top_k": 2, "private": True}
    wanted = PredictRequest(model="tiny", duration_s=3.0, offset_s=1.5, top_k=2, private=True)
    assert parse(PredictRequest, words) == parse(PredictRequest, values) == wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_fields_are_the_defaults_and_unknown_ones_are_not_read(kind: Any, nothing: str | None) -> None:
    fields = dict.fromkeys(kind.model_fields, nothing)
    assert parse(kind, {**fields, "fn_index": 0, "data": ["x"]}) == parse(kind, {}) == kind()


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_the_whole_track(kind: Any) -> None:
    assert parse(kind, {"duration_s": "all"}).duration_s is None


def test_models_are_a_list_or_words_with_commas_between() -> None:
    assert parse(EnsembleRequest, {"models": " a, b,"}).models == ("a", "b")
    assert parse(EnsembleRequest, {"models": ["a", " b"]}).models == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (PredictRequest, {"duration_s": "long"}, "duration_s is 'long'. Ask for 0.1 to 86400 seconds, or all."),
        (PredictRequest, {"duration_s": "nan"}, "duration_s is nan."),
        (PredictRequest, {"duration_s": 0}, "duration_s is 0."),
        (PredictRequest, {"duration_s": True}, "duration_s is 'True'."),
        (CompareRequest, {"offset_s": -3}, "offset_s is -3. Give seconds from the start, 0 to 10000000."),
        (PredictRequest, {"offset_s": 10_000_001}, "offset_s is 10000001. Give seconds from the start, 0 to 10000000."),
        (EnsembleRequest, {"offset_s": "inf"}, "offset_s is inf."),
        (TimelineRequest, {"offset_s": "-3"}, "offset_s is -3."),
        (ExplainRequest, {"top_k": "2.7"}, "top_k is 2.7. Ask for 1 to 1000."),
        (EnsembleRequest, {"top_k": 0}, "top_k is 0."),
        (PredictRequest, {"private": "perhaps"}, "private is 'perhaps'. Send true or false."),
        (
            PredictRequest,
            {"spectrogram": "wavelet"},
            "spectrogram is 'wavelet'. Choose one of 'mel', 'cqt' or 'chroma'",
        ),
        (EnsembleRequest, {"spectrogram": "chroma"}, "spectrogram is 'chroma'. Choose one of 'mel', 'cqt' or 'both'"),
        (EnsembleRequest, {"models": ",".join("abcde" * 20)}, "100 models were asked. Send names"),
        (EnsembleRequest, {"models": [["x"]]}, "models is"),
        (TimelineRequest, {"window_s": "0.2"}, "window_s is 0.2. A window can have 1 to 60 seconds."),
        (
            TimelineRequest,
            {"min_segment_s": "-1"},
            "min_segment_s is -1. Give 0 to 3600 seconds; 0 keeps all segments.",
        ),
        (TimelineRequest, {"hop_s": "often"}, "hop_s is 'often'. It must be 0.1 to 10000000 seconds."),
        (PredictRequest, {"top_k": "9" * 400}, f"top_k is {'9' * 40}…. Ask for 1 to 1000."),
        (PredictRequest, {"top_k": 10**50}, f"top_k is 1{'0' * 39}…. Ask for 1 to 1000."),
        (PredictRequest, {"top_k": "\n0 "}, "top_k is 0. Ask for 1 to 1000."),
        (PredictRequest, {"model": True}, "model is 'True'. Send a name from /api/models."),
        (TimelineRequest, {"model": 3}, "model is 3. Send a name from /api/models."),
        (ExplainRequest, {"label": True}, "label is 'True'. Send one of the model's labels."),
        (PredictRequest, {"spectrogram": True}, "spectrogram is 'True'. Choose one of 'mel', 'cqt' or 'chroma'."),
        (EnsembleRequest, {"models": True}, "models is 'True'. Send names with commas between, 64 at most."),
        (PredictRequest, {"model": ["tiny"]}, "model is"),
        (PredictRequest, {"model": "x" * 10_000, "top_k": "y" * 10_000}, "top_k is 'yyy"),
    ],
)
def test_what_is_wrong_is_named_with_its_value_and_what_is_allowed(
    kind: Any, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        parse(kind, fields)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200
    with pytest.raises(RequestError):
        kind(**fields)


def test_a_changed_request_is_checked_again() -> None:
    request = PredictRequest(top_k=3, private=True)
    assert request.replace(top_k=4) == PredictRequest(top_k=4, private=True)
    with pytest.raises(RequestError, match="top_k is 0"):
        request.replace(top_k=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_documentation_has_a_sentence_for_each_field(kind: Any) -> None:
    for name, field in kind.model_json_schema()["properties"].items():
        assert field["description"], name
