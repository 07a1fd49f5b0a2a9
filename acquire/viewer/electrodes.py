"""What the checks of leads and inputs say of each electrode: RA, LA and LL are each part of two limb leads.

I = LA − RA, II = LL − RA, III = LL − LA. RL carries the bias or reference, which no board measures.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acquire.checks.preflight import Finding
from acquire.viewer.texts import _

__all__ = ["ELECTRODES", "ElectrodeState", "electrodes_of_findings", "electrodes_of_leads"]

ELECTRODES = ("RA", "LA", "LL", "RL")
_ENDS = {"I": ("LA", "RA"), "II": ("LL", "RA"), "III": ("LL", "LA")}
_INPUT = re.compile(r"contact\b.*\blead (I{1,3})\)? ?([+−-])")
_OHMS = re.compile(r"(\d+(?:\.\d+)?) ([kM]?)Ω")
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6}
_RANK = {"skipped": 0, "good": 1, "doubtful": 2, "bad": 3}


@dataclass(frozen=True, kw_only=True)
class ElectrodeState:
    """How well one electrode touches the skin.

    Attributes:
        state: good, doubtful, bad or skipped.
        ohms: the worst impedance that was measured at it; None where only the signal tells.
        words: what was measured, for example "8.5 kΩ", or "" where there is nothing to add to the state.
    """

    state: str
    ohms: float | None = None
    words: str = ""


def electrodes_of_findings(findings: Sequence[Finding]) -> dict[str, ElectrodeState]:
    """What the measured contact of a board's inputs says of the electrodes on them.

    An electrode that serves two inputs is as bad as the worse of them. Inputs of other leads than I, II and III, and
    boards that measure nothing, say nothing here.
    """
    worst: dict[str, ElectrodeState] = {}
    for finding in findings:
        match = _INPUT.match(finding.name)
        if match is None or finding.state == "skipped":
            continue
        electrode = _ENDS[match[1]][0 if match[2] == "+" else 1]
        figure = _OHMS.search(finding.words)
        state = ElectrodeState(
            state=finding.state,
            ohms=float(figure[1]) * _FACTORS[figure[2]] if figure else None,
            words=figure[0] if figure else finding.words,
        )
        known = worst.get(electrode)
        if known is None or _badness(state) > _badness(known):
            worst[electrode] = state
    return worst


def electrodes_of_leads(leads: Sequence[Mapping[str, Any]]) -> dict[str, ElectrodeState]:
    """What the signal of the measured limb leads says of the electrodes.

    Both electrodes of a good lead are good. Of the others, those that all silent leads share are the likely culprits;
    where none is shared, each of them may be. What a lead with hum or without a heart is made of is to be looked at
    likewise. Of electrodes that no lead tells of, nothing is known: too little signal came yet, or none comes any more.

    Args:
        leads: as ``dataclasses.asdict`` makes of ``acquire.checks.live.LeadState``.
    """
    limb = [lead for lead in leads if lead["lead"] in _ENDS and not lead["derived"]]
    told = [lead for lead in limb if _is_told(lead)]
    states = {name: ElectrodeState(state="skipped", words=_("not known")) for of in limb for name in _of(of)}
    on = {name for lead in told if not lead["electrode_off"] for name in _of(lead)}
    fine = {name for lead in told if lead["judgement"] == "good" for name in _of(lead)}
    worse = [_of(lead) for lead in told if not lead["electrode_off"] and lead["judgement"] != "good"]
    states |= {name: ElectrodeState(state="doubtful") for name in _suspects(worse, fine)[0]}
    states |= {name: ElectrodeState(state="good") for name in fine}
    likely, others = _suspects([_of(lead) for lead in told if lead["electrode_off"]], on)
    states |= {name: ElectrodeState(state="doubtful") for name in others}
    return states | {name: ElectrodeState(state="bad") for name in likely}


def _of(lead: Mapping[str, Any]) -> tuple[str, str]:
    return _ENDS[lead["lead"]]


def _suspects(pairs: Sequence[tuple[str, str]], cleared: Collection[str]) -> tuple[set[str], set[str]]:
    """Which electrodes of bad leads are the likely culprits, and which may be all the same."""
    suspects = {name for pair in pairs for name in pair} - set(cleared)
    shared = {name for name in suspects if all(name in pair for pair in pairs)}
    likely = shared if len(pairs) > 1 and shared else suspects
    return likely, suspects - likely


def _is_told(lead: Mapping[str, Any]) -> bool:
    """Whether there was signal enough to judge a lead by."""
    if lead["judgement"] == "skipped" or (lead["judgement"] == "good" and not lead["settled"]):
        return False
    return bool(lead["electrode_off"]) or lead["dc_offset_mv"] is not None or lead["judgement"] == "good"


def _badness(state: ElectrodeState) -> tuple[int, float]:
    return _RANK[state.state], -1.0 if state.ohms is None else state.ohms
