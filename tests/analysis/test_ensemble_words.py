"""What an ensemble answers, in sentences."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from acousticsense.analysis.consensus import build_consensus
from acousticsense.analysis.ensemble_words import sentences
from acousticsense.analysis.results import EnsembleResult, Member
from acousticsense.i18n.messages import TEXTS
from acousticsense.inference.prediction import Prediction
from tests.analysis.test_consensus import prediction

LABELS = ("Rap", "Rock", "Jazz")


def answer(name: str, best: str, *, architecture: str = "resnet50") -> Prediction:
    given = prediction({label: 0.8 if label == best else 0.1 for label in LABELS})
    return replace(given, model=replace(given.model, name=name, architecture=architecture))


def result(*answers: Prediction) -> EnsembleResult:
    first = answers[0]
    return EnsembleResult(
        members=tuple(Member(name=given.model.name, spectrogram="mel", prediction=given) for given in answers),
        consensus=build_consensus(answers),
        clip=first.clip,
        health=first.health,
        decode_ms=1,
        spectrogram_ms={"mel": 1},
        network_ms=1,
        total_ms=1,
    )


DEFAULT = answer("vit_b_16_mel", "Rap")
TAGGER = answer("efficientat_mn04", "Rock", architecture="efficientat_mn04")


def test_a_tagger_that_contradicts_the_default_is_named_with_it() -> None:
    told = result(answer("resnet50", "Jazz"), TAGGER, DEFAULT)
    assert sentences(told)[2] == (
        "vit_b_16_mel · mel says Rap, but efficientat_mn04 · mel, which was trained on other music, says Rock."
    )
    assert sentences(told, "zh")[2] == (
        "vit_b_16_mel · mel 判为说唱，而用其他音乐训练的 efficientat_mn04 · mel 判为摇滚。"
    )


@pytest.mark.parametrize(
    "tagger", [answer("efficientat_mn04", "Rap", architecture="efficientat_mn04"), replace(TAGGER, verdict="not_music")]
)
def test_without_a_contradiction_the_two_that_differ_most_are_named(tagger: Prediction) -> None:
    told = sentences(result(answer("resnet50", "Jazz"), DEFAULT, tagger))
    assert not any("trained on other music" in sentence for sentence in told)
    assert "these two differ most" in told[2]


@pytest.mark.parametrize(("n", "said"), [(2, "Both members say Rock."), (3, "All 3 members say Rock.")])
def test_members_that_agree_are_counted(n: int, said: str) -> None:
    assert sentences(result(*(answer(f"model{i}", "Rock") for i in range(n))))[0] == said


def test_chinese_counts_results_since_one_model_may_give_two() -> None:
    keys = [key for key in TEXTS if key.startswith("ensemble.")]
    assert [key for key in keys if re.search("[}个两这]组?模型", TEXTS[key][1])] == []
    one, two = answer("resnet50", "Rock"), answer("vgg19_bn", "Rap")
    assert sentences(result(one, one, two), "zh")[0] == "摇滚对说唱：共 3 个结果，2 比 1。"
    assert sentences(result(one, one, one), "zh")[0] == "3 个结果一致，均为摇滚。"


@pytest.mark.parametrize(
    ("together", "alone", "n_alone", "said"), [(0.5, 0.6, 100, True), (0.6, 0.5, 100, False), (0.5, 0.6, 90, False)]
)
def test_it_is_said_when_one_alone_was_right_more_often_in_the_same_test(
    together: float, alone: float, n_alone: int, said: bool
) -> None:
    told = result(DEFAULT, TAGGER)
    assert told.consensus
    told = replace(
        told,
        consensus=replace(told.consensus, measured=(together, 100)),
        members=(replace(told.members[0], measured=(alone, n_alone)), told.members[1]),
    )
    words = "this consensus was right about 50 of 100 recordings, vit_b_16_mel · mel alone about 60: trust that one"
    assert any(words in sentence for sentence in sentences(told)) == said
