"""A corpus's card: one HTML file that shows what is in it, what is not, and how it came about; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.corpus.card_tables import Share, covered_hours, cross_tables, lead_rows, made_how
from curate.corpus.pictures import ecg_picture, heart_rate_picture
from curate.corpus.read import QUALITY_GRADES, Corpus, open_corpus
from curate.splits.make import SIDES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_card"]

MAX_PICTURES = 40
_TEMPLATES = Path(__file__).parent / "templates"

SCALE_WORDS = {
    "none": "Values are in mV, as recorded; no recording was scaled.",
    "recording-p98": (
        "Each recording's values were divided by one number: the 98th percentile of their distance from the median, "
        "over "
        "all of its cleaned samples. That number is taken from the whole recording, test parts included, so a test "
        "window "
        "knows how strong the rest of its recording was."
    ),
}
QUALITY_WORDS = {
    "unusable": (
        "Windows of every grade are kept, for movement is part of the task; the table in the corpus says which is "
        "which."
    ),
    "doubtful": "Leads that are unusable in a window are masked there, and windows in which all are were not kept.",
    "good": "Leads that are not good in a window are masked there, and windows in which none is were not kept.",
}
DEGREE_WORDS = {0: "not graded", 1: "1, little or none", 2: "2", 3: "3", 4: "4, strongest"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """One window to be shown, with the words under it."""

    title: str
    detail: str
    svg: str


def write_card(corpus_file: Path, card: Path) -> None:
    """Write the card of a corpus.

    Args:
        corpus_file: the corpus.
        card: the HTML file to write; replaced if there.

    Raises:
        CorpusError: the corpus cannot be read.
    """
    with open_corpus(corpus_file) as corpus:
        card.write_text(render_card(corpus), encoding="utf-8")


def render_card(corpus: Corpus) -> str:
    """Give the card's HTML; every text that came from outside is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}".replace(",", " ")
    table = corpus.table
    activities = sorted(table["activity"].unique())
    return environment.get_template("card.html.j2").render(
        corpus=corpus,
        windows_words=_windows_words(corpus),
        quality_words=QUALITY_WORDS[corpus.min_quality],
        scale_words=SCALE_WORDS.get(corpus.scale, corpus.scale),
        facts=_facts(corpus),
        activities=activities,
        balance=list(_balance(table, activities)),
        classes=_classes(corpus),
        crosses=cross_tables(table, corpus.factors),
        leads=lead_rows(corpus),
        made_how=made_how(corpus.sources),
        excluded_recordings=sorted(corpus.excluded_recordings.items()),
        swapped=[
            (source["recording"], source["lead_swap"]["suspected"])
            for source in corpus.sources
            if source["lead_swap"]["suspected"] not in ("none", "unknown")
        ],
        quality=[(name, _shares(rows, "quality", QUALITY_GRADES)) for name, rows in _by_activity(table)],
        artefact=_artefact(table),
        heart_rate=heart_rate_picture({name: rows["heart_rate"].to_numpy() for name, rows in _by_activity(table)}),
        by_activity=list(_examples(corpus, "activity")),
        by_subject=list(_examples(corpus, "subject")),
        n_subjects=int(table["subject"].nunique()),
        excluded=sorted(((why, n) for why, n in corpus.excluded.items() if n), key=lambda item: -item[1]),
        n_excluded=sum(corpus.excluded.values()),
        splits=[
            {"name": name, "sides": _sides(corpus, name), **corpus.split_info(name)} for name in corpus.split_names
        ],
        cleaning=list(_parameters(corpus.cleaning)),
        degree_words=DEGREE_WORDS,
        max_pictures=MAX_PICTURES,
    )


def _facts(corpus: Corpus) -> list[tuple[str, str]]:
    table = corpus.table
    recorded_s = sum(float(source.get("seconds", 0.0)) for source in corpus.sources)
    return [
        ("windows", f"{corpus.n_windows:,}".replace(",", " ")),
        ("recorded", _duration(recorded_s)),
        ("in windows", _duration(3600 * sum(covered_hours(table, _rates(corpus), "recording").values()))),
        ("subjects", str(table["subject"].nunique())),
        ("sessions", str(len(table[["subject", "session"]].drop_duplicates()))),
        ("recordings", str(len(corpus.sources))),
        ("activities", str(table["activity"].nunique())),
    ]


def _windows_words(corpus: Corpus) -> str:
    if corpus.n_beats:
        beats = "1 beat" if corpus.n_beats == 1 else f"{corpus.n_beats} beats"
        every = "every beat" if corpus.hop_beats == 1 else f"every {corpus.hop_beats} beats"
        return f"windows of {beats} {every}, in a room of {corpus.window_s:g} s"
    return f"windows of {corpus.window_s:g} s every {corpus.hop_s:g} s"


def _rates(corpus: Corpus) -> dict[str, float]:
    return {source["recording"]: float(source["rate_hz"]) for source in corpus.sources}


def _classes(corpus: Corpus) -> list[dict[str, Any]]:
    """Each activity's share of the windows, its hours, and how many people did it."""
    hours = covered_hours(corpus.table, _rates(corpus), "activity")
    most = int(corpus.table["activity"].value_counts().max())
    return [
        {
            "name": name,
            "n": len(rows),
            "percent": 100 * len(rows) / corpus.n_windows,
            "width": 100 * len(rows) / most,
            "duration": _duration(3600 * hours[name]),
            "n_subjects": int(rows["subject"].nunique()),
        }
        for name, rows in _by_activity(corpus.table)
    ]


def _duration(seconds: float) -> str:
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.2f} h"


def _balance(table: pd.DataFrame, activities: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row per subject and session, one cell per activity; a cell of the design that is empty is marked."""
    counts = table.groupby(["subject", "session", "activity"]).size()
    most = int(counts.max())
    for (subject, session), rows in table.groupby(["subject", "session"]):
        cells = [int(counts.get((subject, session, activity), 0)) for activity in activities]
        yield {
            "subject": subject,
            "session": session,
            "cells": [(n, 6 + round(22 * n / most)) for n in cells],
            "total": len(rows),
        }


def _by_activity(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), rows) for name, rows in table.groupby("activity")]


def _shares(table: pd.DataFrame, column: str, values: Sequence[Any]) -> list[Share]:
    found = table[column].value_counts()
    return [
        Share(
            name=str(value) or "(none)",
            n=int(found.get(value, 0)),
            percent=100 * int(found.get(value, 0)) / max(len(table), 1),
        )
        for value in values
    ]


def _artefact(table: pd.DataFrame) -> list[tuple[str, list[Share]]]:
    """Artefact degrees by activity; nothing when nobody graded anything."""
    if not (table["artefact"] > 0).any():
        return []
    degrees = sorted(table["artefact"].unique())
    return [(name, _shares(rows, "artefact", degrees)) for name, rows in _by_activity(table)]


def _sides(corpus: Corpus, name: str) -> list[Share]:
    sides = corpus.split(name)
    return [
        Share(name=side, n=int((sides == side).sum()), percent=100 * float((sides == side).mean()))
        for side in (*SIDES[1:], SIDES[0])
    ]


def _examples(corpus: Corpus, column: str) -> Iterator[Example]:
    """One window per activity, of one subject if that can be; or one per subject, in one activity if that can be."""
    table = corpus.table
    other = "subject" if column == "activity" else "activity"
    shared = _most_shared(table, other, column)
    for value in sorted(table[column].unique())[:MAX_PICTURES]:
        index = _typical(table[table[column] == value], other, shared)
        row = table.loc[index]
        rate = "" if np.isnan(row["heart_rate"]) else f", {row['heart_rate']:.0f}/min"
        yield Example(
            title=str(value),
            detail=f"{row[other]}, session {row['session']}, {row['quality']}{rate}",
            svg=ecg_picture(
                corpus.read([index])[0],
                leads=corpus.leads,
                lead_ok=corpus.lead_ok([index])[0],
                rate_hz=corpus.rate_hz,
                unit=corpus.unit,
            ),
        )


def _most_shared(table: pd.DataFrame, column: str, across: str) -> str:
    """The value of a column that most values of another go with in good quality: pictures then differ in one thing."""
    good = table[table["quality"] == QUALITY_GRADES[0]]
    spread = (good if len(good) else table).groupby(column)[across].nunique()
    return str(spread.idxmax())


def _typical(rows: pd.DataFrame, column: str, shared: str) -> int:
    """The window with the middlemost heart rate, of the best quality there is, with the shared value if that has it."""
    best = min(rows["quality"], key=QUALITY_GRADES.index)
    rows = rows[rows["quality"] == best]
    if (rows[column] == shared).any():
        rows = rows[rows[column] == shared]
    rates = rows["heart_rate"].to_numpy(dtype=np.float64)
    known = np.isfinite(rates)
    place = int(np.nanargmin(np.abs(rates - np.median(rates[known])))) if known.any() else 0
    return int(rows.index.to_numpy()[place])


def _parameters(cleaning: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every parameter of the processing as step, name, value; a step's name only beside its first."""
    for step, parameters in cleaning.items():
        if not isinstance(parameters, dict):
            yield "", step, str(parameters)
            continue
        for place, (name, value) in enumerate(parameters.items()):
            yield step.replace("_", " ") if place == 0 else "", name.replace("_", " "), _value(value)


def _value(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"from", "to"}:
        return f"{_value(value['from'])} to {_value(value['to'])}, by recording"
    if isinstance(value, dict) and set(value) == {"one of"}:
        return "; ".join(_value(one) for one in value["one of"])
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_value(one)}" for name, one in value.items())
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value) or "none"
    if isinstance(value, float):
        return f"{value:.8g}"
    return str(value)
