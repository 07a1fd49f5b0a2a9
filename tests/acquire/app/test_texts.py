"""The words of the windows: each has a German one, with the same places for values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from acquire.viewer import texts
from acquire.viewer.texts import LANGUAGES, LOCALE_FOLDER, _, choose_language, ngettext, system_language

FOLDERS = [Path(texts.__file__).parent, Path(texts.__file__).parent.parent / "app"]
TRANSLATIONS = [code for code in LANGUAGES if code != "en"]
PLACES = re.compile(r"\{(\w*)[^}]*\}")


def catalogue(code: str) -> Catalog:
    with (LOCALE_FOLDER / code / "LC_MESSAGES" / "trilead.po").open("rb") as file:
        return read_po(file, locale=code)


def written_in_the_code() -> set[str | tuple[str, ...]]:
    found = [one for folder in FOLDERS for one in extract_from_dir(folder, method_map=[("**.py", "python")])]
    return {message for _file, _line, message, _comments, _context in found}


def words_of(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [message.string]


def spoken(messages: Catalog) -> dict[tuple[str, ...], list[str]]:
    """What is said for each message; the forms of a plural are lists in one reader and tuples in the other."""
    return {tuple([m.id] if isinstance(m.id, str) else m.id): words_of(m) for m in messages if m.id}


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_every_word_is_translated_and_none_is_left_over(code: str) -> None:
    messages = [message for message in catalogue(code) if message.id]
    translated = {tuple(message.id) if isinstance(message.id, list) else message.id for message in messages}
    assert written_in_the_code() - translated == set(), "run the three commands of CONTRIBUTING.md, Translations"
    assert translated - written_in_the_code() == set()
    assert [message.id for message in messages if not all(words_of(message)) or message.fuzzy] == []


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_a_translation_has_the_places_for_values_that_the_original_has(code: str) -> None:
    for message in catalogue(code):
        if message.id:
            original = message.id[-1] if isinstance(message.id, tuple | list) else message.id
            for words in words_of(message):
                assert sorted(PLACES.findall(words)) == sorted(PLACES.findall(original)), message.id


@pytest.mark.parametrize("code", TRANSLATIONS)
def test_what_is_spoken_is_what_was_translated(code: str) -> None:
    with (LOCALE_FOLDER / code / "LC_MESSAGES" / "trilead.mo").open("rb") as file:
        compiled = spoken(read_mo(file))
    assert compiled == spoken(catalogue(code)), "run the last command of CONTRIBUTING.md, Translations"


def test_the_language_can_be_changed_and_an_unknown_one_is_english() -> None:
    assert choose_language("de") == "de"
    assert _("Prepare") == "Vorbereiten"
    assert choose_language("xx") == "en"
    assert _("Prepare") == "Prepare"
    assert ngettext("{n} sample lost", "{n} samples lost", 2) == "{n} samples lost"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANGUAGE": "de:en"}, "de"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "\udcff"}, "en"),
    ],
)
def test_the_systems_language_is_found(variables: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert system_language() == code
