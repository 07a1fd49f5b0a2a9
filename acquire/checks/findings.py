"""What a look at a board finds, in words: pure functions from what it said and sent to findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import BoardInfo, Contact
from acquire.checks.listen import Listened
from acquire.checks.live import MAINS_DOUBTFUL_MV, LeadState, LiveChecks, electrode_words
from acquire.checks.tones import HIGHEST_TONE, ToneMeter
from acquire.study import MAINS_HZ

__all__ = [
    "LISTEN_S",
    "Finding",
    "FindingState",
    "board_finding",
    "contact_findings",
    "signal_findings",
    "skipped",
    "when_gone",
]

FindingState = Literal["good", "doubtful", "bad", "skipped"]

LISTEN_S = 5.0
"""How much signal is judged."""
RATE_GOOD, RATE_DOUBTFUL = 0.01, 0.05
LOSS_DOUBTFUL = 0.01
HUM_SEEN_MV = 0.003
HUM_OVER_FLOOR = 3.0
_OF_BOARD = ("board", "signal", "electrodes", "mains", "losses", "board clock")
_BESIDE_HZ = (-4.0, -3.0, -2.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: good; doubtful, when a recording can be made that may not be what was wanted; bad, when none should be;
            or skipped.
        words: what was found, and the mend where there is something to mend.
    """

    name: str
    state: FindingState
    words: str


def board_finding(info: BoardInfo) -> Finding:
    """What the board says that it is."""
    firmware = f", firmware {info.firmware}" if info.firmware else ""
    channels = f"{len(info.channels)} channel{'s' if len(info.channels) > 1 else ''}"
    words = f"{info.name}{firmware}: {channels} at {info.nominal_rate_hz:g} Hz"
    return Finding(name="board", state="good", words=words)


def contact_findings(contacts: Sequence[Contact]) -> list[Finding]:
    """How well each electrode touches the skin, where the board can tell."""
    if not contacts:
        return [skipped("contact", "this board cannot measure it; the signal has to tell")]
    return [
        Finding(
            name=f"contact {contact.electrode}",
            state="good" if contact.good else "bad",
            words=_contact_words(contact),
        )
        for contact in contacts
    ]


def signal_findings(
    checks: LiveChecks, heard: Listened, info: BoardInfo, *, mains_hz: int, bad_bytes: int, pace: float
) -> list[Finding]:
    """What the board's last seconds tell of its leads, the hum, losses and its clock.

    Args:
        checks: were fed with what came.
        heard: what came, in figures.
        info: what the board said of itself.
        mains_hz: of the study.
        bad_bytes: that came over the link.
        pace: how many times faster than real time the board sends.
    """
    if heard.fault:
        return [Finding(name="signal", state="bad", words=heard.fault)]
    states = checks.evaluate()
    findings = [_lead(state) for state in states]
    if words := electrode_words(states):
        findings.append(Finding(name="electrodes", state="bad", words=f"{words}."))
    return [
        *findings,
        _mains(checks, states, info.nominal_rate_hz, mains_hz),
        _losses(heard, info, bad_bytes),
        _rate(heard, info.nominal_rate_hz, pace),
    ]


def skipped(name: str, because: str) -> Finding:
    """Something that was not looked at."""
    return Finding(name=name, state="skipped", words=because)


def when_gone(findings: Sequence[Finding], words: str, *, culprit: str = "board") -> tuple[Finding, ...]:
    """The same once the board has gone: what was found on it holds no longer, and one finding says why.

    Args:
        findings: up to then.
        words: what has happened, and the mend.
        culprit: what the finding that says so is about; one of that name is replaced.
    """
    told = Finding(name=culprit, state="bad", words=words)
    faded = (
        skipped(finding.name, f"not known any more, for the {culprit} is gone")
        if finding.name in _OF_BOARD or finding.name.startswith(("contact", "lead "))
        else finding
        for finding in findings
        if finding.name != culprit
    )
    return (told, *faded)


def _contact_words(contact: Contact) -> str:
    if contact.ohms is None:
        return contact.words
    ohms = f"{contact.ohms / 1e3:.1f} kΩ" if contact.ohms < 1e6 else f"{contact.ohms / 1e6:.1f} MΩ"
    return ohms if contact.good else f"{ohms}; {contact.words}"


def _lead(state: LeadState) -> Finding:
    figures = []
    if state.dc_offset_mv is not None:
        figures.append(f"offset {round(state.dc_offset_mv):+d} mV".replace("-", "−"))
    if state.mains_mv is not None:
        figures.append(f"hum {1e3 * state.mains_mv:.0f} µV")
    told = f" ({', '.join(figures)})" if figures else ""
    return Finding(name=f"lead {state.lead}", state=state.judgement, words=f"{state.words}{told}")


def _mains(checks: LiveChecks, states: Sequence[LeadState], rate_hz: float, mains_hz: int) -> Finding:
    """Whether the hum that is there has the frequency that the study says."""
    on = [not state.electrode_off for state in states]
    other_hz = sum(MAINS_HZ) - mains_hz
    if checks.mv_per_unit is None:
        return skipped("mains", "the board's gain is not known, so hum has no size")
    if max(MAINS_HZ) >= HIGHEST_TONE * rate_hz:
        return skipped("mains", f"60 Hz cannot be seen at {rate_hz:g} samples per second")
    if not any(on):
        return skipped("mains", "no lead is on")
    leads_mv = checks.recent(LISTEN_S)[:, on] * checks.mv_per_unit
    own_mv, other_mv = (_hum_mv(leads_mv, rate_hz, hz) for hz in (mains_hz, other_hz))
    if other_mv >= HUM_OVER_FLOOR * own_mv and other_mv > 0:
        words = (
            f"hum of {1e3 * other_mv:.0f} µV at {other_hz} Hz, but study.toml says mains_hz = {mains_hz}; set"
            f" mains_hz = {other_hz}, or find what hums."
        )
        return Finding(name="mains", state="bad", words=words)
    if own_mv == 0:
        return Finding(name="mains", state="good", words="hum is too weak to see, at 50 Hz and at 60 Hz")
    words = f"hum of {1e3 * own_mv:.0f} µV at {mains_hz} Hz, as study.toml says"
    if own_mv >= MAINS_DOUBTFUL_MV:
        return Finding(name="mains", state="doubtful", words=f"{words}; keep mains cables away from the leads.")
    return Finding(name="mains", state="good", words=words)


def _hum_mv(leads_mv: NDArray[np.float64], rate_hz: float, hum_hz: float) -> float:
    """Amplitude of the hum on the lead where it is strongest; 0 where it does not stand out from what is beside it."""
    beside = [hum_hz + away for away in _BESIDE_HZ if hum_hz + away < HIGHEST_TONE * rate_hz]
    meter = ToneMeter(len(leads_mv), rate_hz, [hum_hz, *beside])
    strongest = 0.0
    for values_mv in leads_mv.T:
        amplitude_mv, *floor_mv = meter.amplitudes(values_mv)
        if amplitude_mv >= max(HUM_SEEN_MV, HUM_OVER_FLOOR * float(np.median(floor_mv))):
            strongest = max(strongest, float(amplitude_mv))
    return strongest


def _losses(heard: Listened, info: BoardInfo, bad_bytes: int) -> Finding:
    spoilt = f", {bad_bytes} bad bytes on the link" if bad_bytes else ""
    if heard.lost == 0 and heard.gaps == 0:
        if bad_bytes:
            return Finding(name="losses", state="doubtful", words=f"none{spoilt}; check the cable.")
        words = f"none of {heard.received} samples"
        if info.loss_detection.startswith("none"):
            words = f"{heard.received} samples came, and this board cannot tell whether some did not"
        return Finding(name="losses", state="good", words=words)
    causes = f" ({'; '.join(heard.causes)})" if heard.causes else ""
    share = heard.lost / (heard.received + heard.lost)
    state: FindingState = "doubtful" if share <= LOSS_DOUBTFUL else "bad"
    words = (
        f"{heard.lost} of {heard.received + heard.lost} samples were lost in {heard.gaps}"
        f" gap{'s' if heard.gaps > 1 else ''}{causes}{spoilt}; bring board and computer closer together and check the"
        " cable."
    )
    return Finding(name="losses", state=state, words=words)


def _rate(heard: Listened, nominal_hz: float, pace: float) -> Finding:
    """Whether the board sends as many samples a second as it should."""
    by_board_hz = heard.rate_hz(by_board=True)
    told = f", {by_board_hz:.1f} Hz by the board's own clock" if by_board_hz is not None else ""
    if pace != 1.0:
        return skipped("board clock", f"the board does not send in real time{told}")
    rate_hz = heard.rate_hz()
    if rate_hz is None:
        return skipped("board clock", f"too few chunks came to measure it{told}")
    off = rate_hz / nominal_hz - 1.0
    words = f"{rate_hz:.1f} Hz by this computer's clock{told}"
    if abs(off) <= RATE_GOOD:
        return Finding(name="board clock", state="good", words=words)
    state: FindingState = "doubtful" if abs(off) <= RATE_DOUBTFUL else "bad"
    words = f"{words}, {off:+.1%} off the {nominal_hz:g} Hz that it says; check the rate that it is set to."
    return Finding(name="board clock", state=state, words=words)
