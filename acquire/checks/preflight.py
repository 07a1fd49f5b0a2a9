"""Whether a study could be recorded right now: its board, its electrodes, this computer's clock and disk.

Nothing is written into the study. Whatever fails, everything else is looked at all the same.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from acquire.boards.board import BoardInfo
from acquire.checks.board_check import BoardCheck
from acquire.checks.findings import LISTEN_S, Finding, FindingState, skipped
from acquire.errors import RecorderError
from acquire.recorder.disk import check_room, estimate_need, free_bytes, in_words, span_in_words
from acquire.recordings.recovery import orphaned_journals
from acquire.study import Study
from protocols.errors import TrileadError
from protocols.script import LoadedScript, load_script

__all__ = ["LISTEN_S", "ComputerCheck", "Finding", "FindingState", "examine_study"]

Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of it is done, 0 to 1."""

STEP_DOUBTFUL_S = 0.5
FUTURE_S = 3600.0
YEARS = (2025, 2100)
_USUAL_BOARD = (250.0, 3)


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
    computer = ComputerCheck(study, protocol, now=now)
    address = study.board if board is None else board
    with BoardCheck(study, address, on_progress=lambda stage, words, share: on_progress(words, share)) as check:
        if check.reach() is not None:
            check.measure_contact()
            check.hear()
    return [*check.findings, *computer.findings(check.info)]


class ComputerCheck:
    """A look at what a recording needs beside the board: this computer's clock, the protocol, the disk, the journals.

    Make it before the board is looked at: the clock is watched meanwhile.

    Args:
        study: that would be recorded in.
        protocol: shipped name or a path ending in .toml; the study's default when None.
        now: the wall clock.
    """

    def __init__(
        self, study: Study, protocol: str | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._study = study
        self._source = protocol if protocol is not None else study.protocol_source
        self._now = now
        self._began = now(), time.monotonic()

    def findings(self, info: BoardInfo | None) -> list[Finding]:
        """What is found now.

        Args:
            info: what the board said of itself; None where it was not reached.
        """
        began, began_s = self._began
        passed_s = (self._now() - began).total_seconds(), time.monotonic() - began_s
        script, protocol_finding = _protocol(self._source)
        return [
            _computer_clock(self._study, self._now(), *passed_s),
            protocol_finding,
            _disk(self._study, script, info),
            *_journals(self._study),
        ]


def _protocol(source: str | Path) -> tuple[LoadedScript | None, Finding]:
    try:
        script = load_script(source)
    except TrileadError as error:
        return None, Finding(name="protocol", state="bad", words=str(error))
    words = f"{script.name}, {span_in_words(script.script.total_s)}"
    return script, Finding(name="protocol", state="good", words=words)


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
        free = f"{in_words(min(free_bytes(folder) for folder in folders))} free"
        if script is None:
            return skipped("disk", f"{free}; what is needed is not known without a protocol")
        rate_hz, n_channels = _USUAL_BOARD if info is None else (info.nominal_rate_hz, len(info.channels))
        need = estimate_need(script.script, rate_hz=rate_hz, n_channels=n_channels)
        check_room(need, journals=folders[0], recordings=folders[1])
    except RecorderError as error:
        return Finding(name="disk", state="bad", words=str(error))
    assumed = f", if the board has {n_channels} channels at {rate_hz:g} Hz" if info is None else ""
    return Finding(
        name="disk",
        state="good",
        words=f"{free}, {in_words(need.journal_bytes + need.recording_bytes)} needed{assumed}",
    )


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
