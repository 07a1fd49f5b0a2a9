"""What speaks against a preparation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from acquire.boards.address import short
from acquire.errors import StudyError
from acquire.names import check_pseudonym, check_session, real_name_warning, stem_parts
from acquire.recorder.launch import MAX_OPERATOR
from acquire.study import Study
from acquire.viewer.study_view import Preparation, StudyView, SubjectChoice, address_fault
from acquire.viewer.texts import _, ngettext

__all__ = ["Problem", "problems"]

ELECTRODES_STAY = timedelta(hours=12)
"""A session is electrodes on to electrodes off; hardly anybody wears gel electrodes longer than that."""
JUST_NOW = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that speaks against a choice.

    Attributes:
        field: subject, session, operator, protocol, board, factors or study.
        stops: whether nothing can be recorded with it; else it is to be thought about.
        words: a sentence.
    """

    field: str
    stops: bool
    words: str


def problems(view: StudyView, preparation: Preparation) -> tuple[Problem, ...]:
    """What speaks against a preparation, in the order of its fields.

    It looks at nothing but its arguments and takes well below a millisecond, so it can be asked at every key.
    """
    return (
        *_study_problems(view),
        *_subject_problems(view, preparation.subject),
        *_session_problems(view, preparation),
        *_operator_problems(preparation.operator),
        *_factor_problems(view.study, preparation.factors),
        *_protocol_problems(view, preparation.protocol),
        *_board_problems(view, preparation.board),
    )


def _study_problems(view: StudyView) -> Iterator[Problem]:
    if view.fault:
        yield Problem(field="study", stops=True, words=view.fault)
    for journal in view.under_way:
        words = _(
            "The recording {name} is under way in this study; it needs its own board and its own operator."
        ).format(name=journal.stem)
        yield Problem(field="study", stops=False, words=words)


def _subject_problems(view: StudyView, subject: str) -> Iterator[Problem]:
    if not subject:
        yield Problem(field="subject", stops=True, words=_("Choose who is recorded, or type a new pseudonym."))
        return
    try:
        check_pseudonym(subject, view.study.path)
    except StudyError:
        words = _("{typed} is no pseudonym: use 1 to 32 letters A–Z, a–z and digits, such as S01.").format(
            typed=short(subject)
        )
        yield Problem(field="subject", stops=True, words=words)
        return
    for journal in view.under_way:
        parts = stem_parts(journal.stem)
        if parts is not None and parts[0] == subject:
            words = _("{subject} is being recorded at this moment ({name}); go on only if somebody else is meant.")
            yield Problem(field="subject", stops=False, words=words.format(subject=subject, name=journal.stem))
    known = {choice.pseudonym for choice in view.subjects}
    if subject in known:
        return
    twin = next((other for other in known if other.lower() == subject.lower()), None)
    if twin is not None:
        words = _(
            "{typed} differs from {other} only in its capitals, which some disks cannot tell apart; choose {other}, or"
            " another pseudonym."
        ).format(typed=subject, other=twin)
        yield Problem(field="subject", stops=True, words=words)
    elif real_name_warning(subject):
        words = _("{typed} looks like a name; use a pseudonym such as S01, for it will stand in every file.")
        yield Problem(field="subject", stops=False, words=words.format(typed=subject))


def _session_problems(view: StudyView, preparation: Preparation) -> Iterator[Problem]:
    session = preparation.session
    who = next((choice for choice in view.subjects if choice.pseudonym == preparation.subject), None)
    if not session:
        if who is not None and who.sessions:
            words = _("Choose whether the electrodes stayed on since the last recording, or a new session begins.")
            yield Problem(field="session", stops=True, words=words)
        return
    try:
        check_session(session, view.study.path)
    except StudyError:
        words = _("{typed} is no session: use 1 to 32 letters and digits, such as 01.").format(typed=short(session))
        yield Problem(field="session", stops=True, words=words)
        return
    if who is None or who.last_recorded is None:
        return
    if session in who.recorded_at:
        yield from _continued(who, session, view.looked_at)
    elif view.looked_at - who.last_recorded < JUST_NOW:
        words = _(
            "{subject} was recorded {ago} in session {session}; continue that one if the electrodes are still on."
        ).format(subject=who.pseudonym, ago=_ago(view.looked_at - who.last_recorded), session=who.sessions[-1])
        yield Problem(field="session", stops=False, words=words)


def _continued(who: SubjectChoice, session: str, now: datetime) -> Iterator[Problem]:
    since = now - who.recorded_at[session]
    if session != who.sessions[-1]:
        words = _("{subject} has had session {latest} since; begin a new session unless you mean {session}.").format(
            subject=who.pseudonym, latest=who.sessions[-1], session=session
        )
        yield Problem(field="session", stops=False, words=words)
    elif since > ELECTRODES_STAY:
        words = _(
            "Session {session} was recorded last {ago}; begin a new session unless the electrodes stayed on all that"
            " time."
        ).format(session=session, ago=_ago(since))
        yield Problem(field="session", stops=False, words=words)


def _operator_problems(operator: str) -> Iterator[Problem]:
    if len(operator) > MAX_OPERATOR or not operator.isprintable():
        words = _("{typed} is too long: use initials or a code of at most {most} characters on one line.").format(
            typed=short(operator), most=MAX_OPERATOR
        )
        yield Problem(field="operator", stops=True, words=words)


def _factor_problems(study: Study, factors: Mapping[str, str]) -> Iterator[Problem]:
    for factor, level in factors.items():
        if level and factor not in study.factors:
            words = _("study.toml names no factor {factor}; add it there under [factors], or leave it out.").format(
                factor=short(factor)
            )
            yield Problem(field="factors", stops=True, words=words)
        elif level and level not in study.factors[factor]:
            known = ", ".join(study.factors[factor])
            words = _("{factor} has no level {level}; its levels are {known}.").format(
                factor=factor, level=short(level), known=known
            )
            yield Problem(field="factors", stops=True, words=words)
    for factor, levels in study.factors.items():
        if levels and not factors.get(factor):
            words = _("No {factor} is chosen; the recording will not say which of {levels} it was.").format(
                factor=factor, levels=", ".join(levels)
            )
            yield Problem(field="factors", stops=False, words=words)


def _protocol_problems(view: StudyView, source: str) -> Iterator[Problem]:
    chosen = next((choice for choice in view.protocols if choice.source == source), None)
    if chosen is None:
        words = _("There is no protocol {source} here; choose one of the list.").format(source=short(source))
        words = words if source else _("Choose a protocol.")
        yield Problem(field="protocol", stops=True, words=words)
    elif chosen.fault:
        yield Problem(field="protocol", stops=True, words=chosen.fault)


def _board_problems(view: StudyView, address: str) -> Iterator[Problem]:
    if not address:
        yield Problem(field="board", stops=True, words=_("Choose the board that the electrodes are plugged into."))
        return
    if fault := address_fault(address, view.study.mains_hz):
        yield Problem(field="board", stops=True, words=fault)
        return
    chosen = next((choice for choice in view.boards if choice.address == address), None)
    for words in chosen.troubles if chosen is not None else ():
        yield Problem(field="board", stops=False, words=words)


def _ago(since: timedelta) -> str:
    minutes = max(0, round(since.total_seconds() / 60))
    if minutes < 1:
        return _("less than a minute ago")
    if minutes < 120:
        return ngettext("{n} minute ago", "{n} minutes ago", minutes).format(n=minutes)
    hours = round(minutes / 60)
    return _("{n} hours ago").format(n=hours) if hours < 48 else _("{n} days ago").format(n=round(hours / 24))
