"""Whether a study could be recorded right now: its board, its electrodes, this computer's clock and disk.

Nothing is written into the study. Whatever fails, everything else is looked at all the same.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acquire.boards.board import Board, BoardInfo, Contact, open_board
from acquire.boards.lock import hold_address, hold_board
from acquire.checks.listen import Listened, listen, pace_of
from acquire.checks.live import MAINS_DOUBTFUL_MV, LeadState, LiveChecks, electrode_words
from acquire.checks.tones import HIGHEST_TONE, ToneMeter
from acquire.errors import RecorderError
from acquire.montage import montage_fault
from acquire.recorder.disk import check_room, estimate_need, free_bytes
from acquire.recordings.recovery import orphaned_journals
from acquire.study import MAINS_HZ, STUDY_FILE, Study
from protocols.errors import TrileadError
from protocols.script import LoadedScript, load_script

__all__ = ["LISTEN_S", "Finding", "FindingState", "examine_study"]

FindingState = Literal["good", "doubtful", "bad", "skipped"]
Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of it is done, 0 to 1."""

LISTEN_S = 5.0
RATE_GOOD, RATE_DOUBTFUL = 0.01, 0.05
LOSS_DOUBTFUL = 0.01
STEP_DOUBTFUL_S = 0.5
FUTURE_S = 3600.0
YEARS = (2025, 2100)
HUM_SEEN_MV = 0.003
HUM_OVER_FLOOR = 3.0
_BESIDE_HZ = (-4.0, -3.0, -2.0, 2.0, 3.0, 4.0)
_USUAL_BOARD = (250.0, 3)


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


def examine_study(
    study: Study,
    *,
    board: str | None = None,
    protocol: str | None = None,
    on_progress: Progress = lambda words, share: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Finding]:
    """Look at everything that a recording needs, and listen to the board for five seconds.

    Args:
        study: whose board, protocol and disk.
        board: address; the study's default when None.
        protocol: shipped name or a path ending in .toml; the study's default when None.
        on_progress: told what is being done.
        now: the wall clock.

    Returns:
        Findings in the order in which an operator goes about things: the board, the electrodes, this computer.
    """
    began = now(), time.monotonic()
    info, findings = _board(study, study.board if board is None else board, on_progress)
    passed_s = (now() - began[0]).total_seconds(), time.monotonic() - began[1]
    script, protocol_finding = _protocol(protocol if protocol is not None else study.protocol_source)
    return [
        *findings,
        _computer_clock(study, now(), *passed_s),
        protocol_finding,
        _disk(study, script, info),
        *_journals(study),
    ]


def _board(study: Study, address: str, on_progress: Progress) -> tuple[BoardInfo | None, list[Finding]]:
    """Everything that needs the board, which is let go of at the end; None for one that cannot be reached."""
    with ExitStack() as stack:
        try:
            on_progress("reaching the board", 0.0)
            hold_address(stack, address)
            board = open_board(address, mains_hz=study.mains_hz)
            stack.callback(board.close)
            info = board.open()
            hold_board(stack, board.resource(), address)
        except TrileadError as error:
            because = "the board is not reached"
            reached = Finding(name="board", state="bad", words=str(error))
            return None, [reached, _skipped("contact", because), _skipped("signal", because)]
        findings = [_described(info)]
        fault = montage_fault(study.montage or info.montage, [channel.name for channel in info.channels])
        if fault:
            words = f"{fault}; mend the montage in {study.path / STUDY_FILE} or choose another board."
            because = "the montage does not fit the board"
            findings.append(Finding(name="montage", state="bad", words=words))
            return info, [*findings, _skipped("contact", because), _skipped("signal", because)]
        on_progress("measuring the electrodes' contact", 0.0)
        findings += _contact(board)
        findings += _signal(study, board, info, pace_of(address), on_progress)
    return info, findings


def _protocol(source: str | Path) -> tuple[LoadedScript | None, Finding]:
    try:
        script = load_script(source)
    except TrileadError as error:
        return None, Finding(name="protocol", state="bad", words=str(error))
    return script, Finding(name="protocol", state="good", words=f"{script.name}, {script.script.total_s / 60:.0f} min")


def _described(info: BoardInfo) -> Finding:
    firmware = f", firmware {info.firmware}" if info.firmware else ""
    channels = f"{len(info.channels)} channel{'s' if len(info.channels) > 1 else ''}"
    words = f"{info.name}{firmware}: {channels} at {info.nominal_rate_hz:g} Hz"
    return Finding(name="board", state="good", words=words)


def _contact(board: Board) -> list[Finding]:
    try:
        contacts = board.check_contact()
    except TrileadError as error:
        return [Finding(name="contact", state="bad", words=str(error))]
    if not contacts:
        return [_skipped("contact", "this board cannot measure it; the signal has to tell")]
    return [
        Finding(
            name=f"contact {contact.electrode}",
            state="good" if contact.good else "bad",
            words=_contact_words(contact),
        )
        for contact in contacts
    ]


def _contact_words(contact: Contact) -> str:
    if contact.ohms is None:
        return contact.words
    ohms = f"{contact.ohms / 1e3:.1f} kΩ" if contact.ohms < 1e6 else f"{contact.ohms / 1e6:.1f} MΩ"
    return ohms if contact.good else f"{ohms}; {contact.words}"


def _signal(study: Study, board: Board, info: BoardInfo, pace: float, on_progress: Progress) -> list[Finding]:
    """What five seconds of the board's samples tell."""
    checks = LiveChecks(info, study.montage, study.mains_hz)
    doing = f"listening to the board for {LISTEN_S:g} s"
    on_progress(doing, 0.0)
    try:
        heard = listen(
            board,
            info.nominal_rate_hz,
            checks.feed,
            span_s=LISTEN_S,
            pace=pace,
            on_share=lambda share: on_progress(doing, share),
        )
    except TrileadError as error:
        return [Finding(name="signal", state="bad", words=str(error))]
    if heard.fault:
        return [Finding(name="signal", state="bad", words=heard.fault)]
    states = checks.evaluate()
    findings = [_lead(state) for state in states]
    if words := electrode_words(states):
        findings.append(Finding(name="electrodes", state="bad", words=f"{words}."))
    return [
        *findings,
        _mains(checks, states, info.nominal_rate_hz, study.mains_hz),
        _losses(heard, board, info),
        _rate(heard, info.nominal_rate_hz, pace),
    ]


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
        return _skipped("mains", "the board's gain is not known, so hum has no size")
    if max(MAINS_HZ) >= HIGHEST_TONE * rate_hz:
        return _skipped("mains", f"60 Hz cannot be seen at {rate_hz:g} samples per second")
    if not any(on):
        return _skipped("mains", "no lead is on")
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


def _losses(heard: Listened, board: Board, info: BoardInfo) -> Finding:
    bad_bytes = board.link().bad_bytes
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
        return _skipped("board clock", f"the board does not send in real time{told}")
    rate_hz = heard.rate_hz()
    if rate_hz is None:
        return _skipped("board clock", f"too few chunks came to measure it{told}")
    off = rate_hz / nominal_hz - 1.0
    words = f"{rate_hz:.1f} Hz by this computer's clock{told}"
    if abs(off) <= RATE_GOOD:
        return Finding(name="board clock", state="good", words=words)
    state: FindingState = "doubtful" if abs(off) <= RATE_DOUBTFUL else "bad"
    words = f"{words}, {off:+.1%} off the {nominal_hz:g} Hz that it says; check the rate that it is set to."
    return Finding(name="board clock", state=state, words=words)


def _computer_clock(study: Study, now: datetime, wall_s: float, monotonic_s: float) -> Finding:
    """Whether the wall clock can be right, and stayed with the monotonic one while the board was listened to."""
    shown = now.strftime("%Y-%m-%d %H:%M UTC")
    if not YEARS[0] <= now.year <= YEARS[1]:
        return Finding(
            name="computer clock", state="bad", words=f"it says {shown}, which cannot be; set date and time."
        )
    if abs(wall_s - monotonic_s) > STEP_DOUBTFUL_S:
        words = f"it was set by {wall_s - monotonic_s:+.1f} s during this check; let it settle and check again."
        return Finding(name="computer clock", state="doubtful", words=words)
    newest_s = max((_changed_s(file) for file in study.recordings()), default=-math.inf)
    if newest_s - now.timestamp() > FUTURE_S:
        words = f"it says {shown}, which is before the newest recording was made; check date and time."
        return Finding(name="computer clock", state="doubtful", words=words)
    return Finding(name="computer clock", state="good", words=shown)


def _changed_s(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        # It was renamed or removed a moment ago.
        return -math.inf


def _disk(study: Study, script: LoadedScript | None, info: BoardInfo | None) -> Finding:
    """Whether the protocol's journal and recording fit, and may be written."""
    folders = [folder if folder.is_dir() else study.path for folder in (study.journals_dir, study.recordings_dir)]
    for folder in folders:
        if not os.access(folder, os.W_OK | os.X_OK):
            return Finding(name="disk", state="bad", words=f"{folder} may not be written; mend its permissions.")
    try:
        free = f"{min(free_bytes(folder) for folder in folders) / 1e9:.1f} GB free"
        if script is None:
            return Finding(
                name="disk", state="skipped", words=f"{free}; what is needed is not known without a protocol"
            )
        rate_hz, n_channels = _USUAL_BOARD if info is None else (info.nominal_rate_hz, len(info.channels))
        need = estimate_need(script.script, rate_hz=rate_hz, n_channels=n_channels)
        check_room(need, journals=folders[0], recordings=folders[1])
    except RecorderError as error:
        return Finding(name="disk", state="bad", words=str(error))
    needed = (need.journal_bytes + need.recording_bytes) / 1e6
    assumed = f", if the board has {n_channels} channels at {rate_hz:g} Hz" if info is None else ""
    return Finding(name="disk", state="good", words=f"{free}, {needed:.0f} MB needed{assumed}")


def _journals(study: Study) -> list[Finding]:
    """Recordings that wait to be made whole, and those under way."""
    orphans = orphaned_journals(study)
    names = {orphan.path for orphan in orphans}
    under_way = [path.stem for path in sorted(study.journals_dir.glob("*.journal")) if path not in names]
    findings = []
    if under_way:
        words = f"{_listed(under_way)} under way in this study; this computer is shared with it."
        findings.append(Finding(name="other recordings", state="doubtful", words=words))
    if orphans:
        words = (
            f"{_listed([orphan.path.stem for orphan in orphans])} waiting to be made whole; run: trilead recover"
            f" {study.path}"
        )
        findings.append(Finding(name="unfinished", state="doubtful", words=words))
    else:
        findings.append(Finding(name="unfinished", state="good", words="no recording waits to be made whole"))
    return findings


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"


def _skipped(name: str, words: str) -> Finding:
    return Finding(name=name, state="skipped", words=words)
