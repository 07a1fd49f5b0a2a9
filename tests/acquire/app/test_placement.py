"""The picture of the electrodes' places."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from acquire.app import theme
from acquire.app.placement import CABLES, PlacementPicture, colour_word, place_words
from acquire.viewer.electrodes import ELECTRODES, ElectrodeState


@pytest.fixture
def picture(qtbot: QtBot) -> PlacementPicture:
    made = PlacementPicture()
    qtbot.addWidget(made)
    return made


def test_cables_have_the_colours_of_iec_and_aha() -> None:
    colours = {electrode: (iec[1], aha[1]) for electrode, (iec, aha) in CABLES.items()}
    assert colours == {
        "RA": ("red", "white"),
        "LA": ("yellow", "black"),
        "LL": ("green", "red"),
        "RL": ("black", "green"),
    }
    assert {iec[0] for iec, _aha in CABLES.values()} == {"R", "L", "F", "N"}


def test_the_picture_is_told_in_words_too(picture: PlacementPicture) -> None:
    told = picture.accessibleDescription()
    for electrode in ELECTRODES:
        assert f"{electrode}: {place_words(electrode)}" in told
    assert "R red (IEC) or RA white (AHA)" in told
    assert all(colour_word(cable[1]) for cables in CABLES.values() for cable in cables)


def test_contact_is_told_in_ohms_or_in_a_word(picture: PlacementPicture) -> None:
    picture.show_contact(
        {
            "RA": ElectrodeState(state="good", ohms=8500.0, words="8.5 kΩ"),
            "LA": ElectrodeState(state="bad"),
            "LL": ElectrodeState(state="bad", words="at its rail: put the electrode on"),
        }
    )
    words = {electrode: picture.contact_words(electrode) for electrode in ELECTRODES}
    assert words == {
        "RA": "8.5 kΩ, good",
        "LA": "seems off",
        "LL": "at its rail: put the electrode on",
        "RL": "not checked",
    }
    assert "8.5 kΩ, good" in picture.accessibleDescription()
    picture.show_contact({})
    assert picture.contact_words("RA") == ""


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0])
@pytest.mark.parametrize("size", [(1, 1), (300, 225), (1600, 900)])
def test_it_paints_at_every_size(picture: PlacementPicture, look: str, scale: float, size: tuple[int, int]) -> None:
    theme.apply(look, scale)
    picture.resize(*size)
    plain = picture.grab().toImage()
    picture.show_contact({electrode: ElectrodeState(state="bad", words="x" * 200) for electrode in ELECTRODES})
    assert not plain.isNull()
    if size != (1, 1):
        assert picture.grab().toImage() != plain


def test_a_good_and_a_bad_electrode_do_not_look_the_same(picture: PlacementPicture) -> None:
    picture.resize(500, 300)
    pictures = []
    for state in ("good", "doubtful", "bad"):
        picture.show_contact({"RA": ElectrodeState(state=state, ohms=1.0, words="same words")})
        pictures.append(picture.grab().toImage())
    assert pictures[0] != pictures[1] != pictures[2]
