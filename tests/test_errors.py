"""The exception tree is what its drawing says."""

from __future__ import annotations

import inspect

from acousticsense import errors

CLASSES = sorted(set(errors.__all__) - {"printable", "quoted"})


def test_all_names_exist_and_derive_from_the_root() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert classes == set(CLASSES)
    assert all(issubclass(getattr(errors, name), errors.AcousticSenseError) for name in classes)


def test_the_drawing_names_every_class() -> None:
    assert all(name in (errors.__doc__ or "") for name in CLASSES)


def test_codes_are_unique() -> None:
    codes = [getattr(errors, name).code for name in CLASSES]
    assert len(codes) == len(set(codes))


def test_the_text_carries_the_hint() -> None:
    assert str(errors.SettingsError("Port is taken.", hint="Take another.")) == "Port is taken. Take another."
    assert str(errors.SettingsError("Port is taken.")) == "Port is taken."


def test_a_sentence_ends_with_one_full_stop_whatever_it_quotes() -> None:
    error = errors.RequestError("The form cannot be read: Too many files..", hint="Send one file.. And so on ...")
    assert str(error) == "The form cannot be read: Too many files. Send one file. And so on ..."


def test_a_path_keeps_its_dots() -> None:
    assert str(errors.RequestError("There is no file '../../x..wav'.")) == "There is no file '../../x..wav'."


def test_what_comes_from_outside_is_repeated_in_part() -> None:
    assert errors.quoted("tiny") == "'tiny'"
    assert len(errors.quoted("x" * 1_000_000)) < 80
    assert "\n" not in errors.quoted("a\nb")


def test_names_that_are_no_text_are_printable_in_messages() -> None:
    error = errors.LibraryError("There is no 'Gen\udce8ve.mp3'.", hint="Check \ud800.")
    assert error.message == "There is no 'Gen\\xe8ve.mp3'."
    assert str(error).encode()
    assert errors.printable("雷鬼.mp3") == "雷鬼.mp3"
