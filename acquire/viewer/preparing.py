"""What has to be chosen before a recording, what there is to choose from, what speaks against it, and the start."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from acquire.errors import StudyError
from acquire.recorder.launch import STALL_LIMIT_S, RecorderProcess, prepare, start_recorder
from acquire.recorder.process import RecorderConfig
from acquire.study import Study
from acquire.viewer.preferences import load_preferences, save_preferences
from acquire.viewer.problems import Problem, problems
from acquire.viewer.study_view import BoardChoice, Preparation, ProtocolChoice, StudyView, SubjectChoice, look_at_study
from protocols.script import LoadedScript

__all__ = [
    "BoardChoice",
    "Preparation",
    "Problem",
    "ProtocolChoice",
    "StudyView",
    "SubjectChoice",
    "begin_recording",
    "look_at_study",
    "problems",
]


def begin_recording(
    study: Study,
    preparation: Preparation,
    remarks: Sequence[str] = (),
    script: LoadedScript | None = None,
    *,
    stall_limit_s: float = STALL_LIMIT_S,
    lsl_outlet: bool = False,
) -> tuple[RecorderProcess, RecorderConfig]:
    """Start a recorder, add the subject to the study, and remember the operator.

    It takes as long as starting a process does.

    Args:
        study: where the recording goes.
        preparation: what was chosen.
        remarks: what the recording shall say of its beginning: why it was begun though something was bad, and what.
        script: what is played instead of the chosen protocol, where only some of its steps are.
        stall_limit_s: end cleanly when no samples come for so long; 0 to wait for ever.
        lsl_outlet: send what is recorded over LSL as well.

    Raises:
        TrileadError: something of it cannot be; nothing is recorded.
    """
    config = prepare(
        study,
        subject=preparation.subject,
        board=preparation.board,
        session=preparation.session or None,
        protocol=preparation.protocol,
        operator=preparation.operator,
        factors={factor: level for factor, level in preparation.factors.items() if level},
        remarks=remarks,
        script=script,
        stall_limit_s=stall_limit_s,
        lsl_outlet=lsl_outlet,
    )
    study.add_subject(preparation.subject)
    _remember(study.path, preparation.operator)
    return start_recorder(config), config


def _remember(study_path: Path, operator: str) -> None:
    """Put an operator first among those to choose from; what hinders it hinders no recording."""
    preferences, fault = load_preferences(study_path)
    changed = preferences.with_operator(operator)
    if not fault and changed != preferences:
        with contextlib.suppress(StudyError):
            save_preferences(study_path, changed)
