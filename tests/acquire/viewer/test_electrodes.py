"""What leads and inputs say of the electrodes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from acquire.checks.live import LeadState
from acquire.checks.preflight import Finding, FindingState
from acquire.viewer.electrodes import ElectrodeState, electrodes_of_findings, electrodes_of_leads


def contact(name: str, words: str, state: FindingState = "good") -> Finding:
    return Finding(name=f"contact {name}", state=state, words=words)


def lead(name: str, *, off: bool = False, derived: bool = False) -> dict[str, Any]:
    judgement = "bad" if off else "good"
    return asdict(
        LeadState(lead=name, electrode_off=off, derived=derived, judgement=judgement, dc_offset_mv=0.0)  # type: ignore[arg-type]
    )


def test_an_electrode_is_as_bad_as_the_worse_of_its_two_inputs() -> None:
    states = electrodes_of_findings(
        [
            contact("CH1 (lead I) +", "8.5 kΩ"),
            contact("CH1 (lead I) -", "9.0 kΩ"),
            contact("CH2 (lead II) +", "2.1 MΩ; press it on", "bad"),
            contact("CH2 (lead II) -", "12.5 kΩ"),
            Finding(name="mains", state="good", words="1 kΩ"),
        ]
    )
    assert states == {
        "LA": ElectrodeState(state="good", ohms=8500.0, words="8.5 kΩ"),
        "RA": ElectrodeState(state="good", ohms=12_500.0, words="12.5 kΩ"),
        "LL": ElectrodeState(state="bad", ohms=2.1e6, words="2.1 MΩ"),
    }


def test_contact_without_ohms_keeps_its_words() -> None:
    states = electrodes_of_findings([contact("CH1 (lead I) +", "at its rail: put the electrode on", "bad")])
    assert states["LA"] == ElectrodeState(state="bad", words="at its rail: put the electrode on")


def test_boards_that_measure_nothing_say_nothing() -> None:
    assert electrodes_of_findings([Finding(name="contact", state="skipped", words="this board cannot measure")]) == {}
    assert electrodes_of_findings([contact("CH1 (lead V1) +", "8 kΩ")]) == {}


def test_electrodes_of_good_leads_are_on() -> None:
    states = electrodes_of_leads([lead("I"), lead("II"), lead("III", derived=True)])
    assert {name: state.state for name, state in states.items()} == {"LA": "good", "RA": "good", "LL": "good"}


def test_the_electrode_that_only_the_silent_lead_has_is_the_culprit() -> None:
    states = electrodes_of_leads([lead("I"), lead("II", off=True)])
    assert (states["LL"].state, states["RA"].state, states["LA"].state) == ("bad", "good", "good")


def test_the_electrode_that_all_silent_leads_share_is_the_likely_one() -> None:
    states = electrodes_of_leads([lead("I", off=True), lead("II", off=True)])
    assert (states["RA"].state, states["LA"].state, states["LL"].state) == ("bad", "doubtful", "doubtful")


def test_leads_that_nobody_has_judged_yet_say_nothing() -> None:
    states = electrodes_of_leads([asdict(LeadState(lead="I"))])
    assert {name: state.state for name, state in states.items()} == {"LA": "skipped", "RA": "skipped"}
    assert electrodes_of_leads([]) == {}


def test_no_electrode_is_green_that_a_doubtful_lead_asks_to_be_pressed_on() -> None:
    hum = {"judgement": "doubtful", "words": "mains hum"}
    states = electrodes_of_leads([{**lead("I"), **hum}, {**lead("II"), **hum}, lead("III", derived=True)])
    assert {name: state.state for name, state in states.items()} == {"RA": "doubtful", "LA": "skipped", "LL": "skipped"}
    states = electrodes_of_leads([{**lead("I"), **hum}, lead("II")])
    assert (states["LA"].state, states["RA"].state, states["LL"].state) == ("doubtful", "good", "good")


def test_too_little_signal_is_not_good_yet() -> None:
    young = {**lead("I"), "settled": False}
    assert {state.state for state in electrodes_of_leads([young, {**lead("II"), "settled": False}]).values()} == {
        "skipped"
    }
