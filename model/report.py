"""The report of a model: one HTML file that needs nothing else, written for the person who will rely on the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import jinja2
import numpy as np
import pandas as pd

from curate.corpus.read import Corpus
from model.metrics import COLUMNS, FoldFigures, fold_figures
from model.pictures import Line, confusion_matrix, line_chart, trace
from model.run import FoldResult, RunConfig
from protocols.version import VERSION

__all__ = ["NETWORK_TITLES", "render_report"]

NETWORK_TITLES: Final[Mapping[str, str]] = {"dt4ecg": "DT4ECG", "resnet": "ResNet"}

UNSEEN: Final[Mapping[str, str]] = {
    "random": "On other moments of the recordings it was trained on",
    "time-block": "On later parts of the recordings it was trained on",
    "across-sessions": "On sessions it had never seen",
    "across-activities": "At activities it had never seen",
    "across-factor": "Under conditions it had never seen",
    "unseen-subjects": "On people it had never seen",
    "fixed": "On the test side of a given table",
}
"""What the test side of each kind of split is to the network."""

CAVEATS: Final[Mapping[str, str]] = {
    "random": "A random split flatters: neighbouring moments of one recording are much alike. It says how well a known "
    "recording is told apart, not how well a person is known again on another day.",
    "time-block": "The tested parts come from the very recordings that were trained on, with the same electrodes in "
    "the same places. Expect less on another day.",
    "across-sessions": "A session is electrodes on to electrodes off. How far apart in time the sessions lie is a "
    "matter of the study; later ones may come out worse.",
    "across-activities": "Activity does not apply here: what was never trained cannot be told. People were enrolled "
    "and asked in the same session, with the same electrodes; expect less on another day.",
    "across-factor": "Whether anything else changed with the factor, such as the day, is a matter of the study.",
    "unseen-subjects": "Identity does not apply here: nobody can be named who was never introduced. Only activity is "
    "judged.",
    "fixed": "Who stands on which side was decided by a table; how fair a question that makes is for its author to "
    "say.",
}

EXAMPLES_EACH: Final = 6


def render_report(
    *,
    name: str,
    run: RunConfig,
    results: Sequence[FoldResult],
    summary: Mapping[str, Any],
    corpus: Corpus,
    notes: Sequence[str] = (),
) -> str:
    """Render the page.

    Args:
        name: of the model.
        run: what made it.
        results: every network on every fold; the first network is the model, others are baselines.
        summary: see `model.run.summary_of`.
        corpus: that was tested on.
        notes: sentences to stand at the top.
    """
    main = results[0].network
    own = [result for result in results if result.network == main]
    infos = {result.split: corpus.split_info(result.split) for result in own}
    kind = str(next(iter(infos.values())).get("kind", ""))
    pooled = _pooled(own)
    settings = _settings(run)
    return _template().render(
        name=name,
        title=_title(main),
        others=[_title(network) for network in summary["comparison"]],
        family=run.family,
        notes=notes,
        headline=_headline(own, summary["networks"][main], kind, corpus),
        cards=_cards(main, summary, own),
        comparison=_comparison(main, summary),
        differences=_differences(settings),
        splits=[
            {"name": split, "words": info.get("words", ""), "sizes": _sizes(own, split)}
            for split, info in infos.items()
        ],
        folds=_fold_rows(results),
        matrices=_matrices(pooled),
        groups=[("activity", pooled.by_activity), ("subject", pooled.by_subject)],
        applying=[task for task, figures in pooled.tasks.items() if figures is not None],
        trainings=[_training(result) for result in results if result.history],
        examples=_examples(own, corpus),
        settings=settings,
        cleaning=_flat(corpus.cleaning),
        provenance=_provenance(run, results, corpus),
        caveats=_caveats(own, pooled, kind, corpus),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=VERSION,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("model"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["pct"] = _percent
    environment.filters["interval"] = _interval
    environment.filters["points"] = _points
    return environment.get_template("report.html.j2")


def _headline(own: Sequence[FoldResult], figures: Mapping[str, Any], kind: str, corpus: Corpus) -> str:
    seen = UNSEEN.get(kind, "On the test side of the split")
    window = f"{corpus.window_s:g}-second window"
    mean = "" if len(own) == 1 else f" (mean of {len(own)} folds)"
    told = []
    if figures["identity"] is not None:
        n_subjects = len(own[0].config.subjects)
        share = _percent(figures["identity"]["accuracy"])
        told.append(f"named the right one of {n_subjects} people in {share} of single {window}s")
    if figures["activity"] is not None:
        n_activities = len(own[0].config.activities)
        share = _percent(figures["activity"]["accuracy"])
        of = "" if told else f" of single {window}s"
        told.append(f"told what they were doing, out of {n_activities} activities, in {share}{of}")
    return f"{seen}, {_title(own[0].network)} {', and '.join(told)}{mean}."


def _cards(main: str, summary: Mapping[str, Any], own: Sequence[FoldResult]) -> list[dict[str, Any]]:
    cards = []
    for task in COLUMNS:
        figure = summary["networks"][main][task]
        told = [result.figures.tasks[task] for result in own]
        cards.append(
            {
                "task": task,
                "figure": figure,
                "chance": float(np.mean([fold.chance for fold in told if fold is not None])) if figure else None,
                "others": [
                    {"title": _title(other), **tasks[task]}
                    for other, tasks in summary["comparison"].items()
                    if tasks[task]
                ],
            }
        )
    return cards


def _comparison(main: str, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for other, tasks in summary["comparison"].items():
        for task, difference in tasks.items():
            if difference is not None:
                pair = [summary["networks"][network][task] for network in (main, other)]
                interval = difference["interval"]
                # Not named `clear`: to the template that would be the method every dictionary has, and always true.
                beyond_chance = interval is not None and interval[0] * interval[1] > 0
                rows.append(
                    {"other": _title(other), "task": task, "pair": pair, "beyond_chance": beyond_chance, **difference}
                )
    return rows


def _sizes(own: Sequence[FoldResult], split: str) -> Mapping[str, int]:
    return next(result.side_sizes for result in own if result.split == split)


def _fold_rows(results: Sequence[FoldResult]) -> list[dict[str, Any]]:
    return [
        {
            "network": _title(result.network),
            "split": result.split,
            "tasks": result.figures.tasks,
            "n": result.figures.n_windows,
            "recordings": result.figures.n_recordings,
            "parameters": result.n_parameters,
            "epochs": len(result.history),
            "kept": result.config.epoch,
            "seconds": result.seconds,
        }
        for result in results
    ]


def _pooled(own: Sequence[FoldResult]) -> FoldFigures:
    """Figures over the test windows of all folds together."""
    return fold_figures(
        pd.concat([result.predictions for result in own], ignore_index=True),
        subjects=sorted({name for result in own for name in result.config.subjects}),
        activities=sorted({name for result in own for name in result.config.activities}),
        applying=[task for task in COLUMNS if all(result.figures.tasks[task] is not None for result in own)],
    )


def _matrices(pooled: FoldFigures) -> list[dict[str, Any]]:
    return [
        {
            "task": task,
            "picture": None
            if figures is None
            else confusion_matrix(figures.confusion, figures.classes, title=f"Confusion of {task}"),
            "figures": figures,
        }
        for task, figures in pooled.tasks.items()
    ]


def _training(result: FoldResult) -> dict[str, Any]:
    history, kept = result.history, result.config.epoch

    def values(name: str) -> list[float]:
        return [float(getattr(record, name)) for record in history]

    losses = [
        Line(label=f"{task} loss, {side}", style=f"{task} {side}", values=values(f"{side}_{task}_loss"))
        for task in COLUMNS
        for side in ("train", "validate")
    ]
    accuracies = [
        Line(label=f"{task} accuracy, validate", style=f"{task} validate", values=values(f"validate_{task}_accuracy"))
        for task in COLUMNS
    ]
    weights = [
        Line(label=f"{task} weight", style=f"{task} validate", values=values(f"{task}_weight")) for task in COLUMNS
    ]
    rate = [Line(label="learning rate", style="plain", values=values("learning_rate"))]
    return {
        "title": f"{_title(result.network)}, {result.split}",
        "epochs": len(history),
        "kept": kept,
        "losses": line_chart(losses, title="Losses over epochs", mark=kept),
        "accuracies": line_chart(accuracies, title="Validation accuracy", percent=True, from_zero=False, mark=kept),
        "weights": line_chart(weights, title="Weights of the losses", mark=kept)
        if result.config.training["balance"] == "gradnorm"
        else None,
        "rate": line_chart(rate, title="Learning rate", mark=kept),
    }


def _examples(own: Sequence[FoldResult], corpus: Corpus) -> list[dict[str, Any]]:
    """Windows that were named right, spread over the activities, and the wrong ones that the network was surest of."""
    table = own[0].predictions
    applying = [task for task, figures in own[0].figures.tasks.items() if figures is not None]
    wrong, doubt = np.zeros(len(table), dtype=np.bool_), np.zeros(len(table))
    for task in applying:
        truth, guess = COLUMNS[task]
        missed = (table[truth] != table[guess]).to_numpy()
        doubt = np.maximum(doubt, np.where(missed, table[f"{truth}_confidence"], 0.0))
        wrong |= missed
    # Each round takes one window per activity; a fixed shuffle brings different people.
    right = table[~wrong].sample(frac=1, random_state=0).groupby("activity", sort=True)
    rounds = right.cumcount()
    spread = table.loc[rounds.sort_values(kind="stable").index[:EXAMPLES_EACH], "window"].tolist()
    # One per recording: six windows of one bad electrode would teach nothing.
    surest = table.assign(doubt=doubt)[wrong].sort_values(["doubt", "window"], ascending=[False, True])
    surest = surest.drop_duplicates("recording").head(EXAMPLES_EACH)
    groups = []
    for told, rows in (("right", spread), ("wrong", [int(row) for row in surest["window"]])):
        chosen = table.set_index("window").loc[rows].reset_index()
        windows = corpus.read(np.asarray(rows, dtype=np.int64))
        pictures = [
            {
                "picture": trace(window, leads=corpus.leads, rate_hz=corpus.rate_hz, title=f"Window {row.window}"),
                "row": row,
                "applying": applying,
                "seconds": row.start,
            }
            for row, window in zip(chosen.itertuples(index=False), windows, strict=True)
        ]
        groups.append({"told": told, "pictures": pictures, "split": own[0].split})
    return groups


def _settings(run: RunConfig) -> dict[str, Any]:
    """Every setting, one column per network, with a mark where they differ."""
    flat = [dict(_flat(network)) for network in run.networks]
    names = list(dict.fromkeys(name for column in flat for name in column))
    return {
        "networks": [_title(str(network["network"])) for network in run.networks],
        "rows": [{"name": name, "values": [column.get(name, "–") for column in flat]} for name in names],
    }


def _differences(settings: Mapping[str, Any]) -> str:
    """How the trainings differ beside their networks, for the eye: a baseline with another recipe says so."""
    return ", ".join(
        f"{row['name']} ({' against '.join(row['values'])})"
        for row in settings["rows"]
        if len(set(row["values"])) > 1 and row["name"] != "network" and not row["name"].startswith("network_settings.")
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    return rows


def _provenance(run: RunConfig, results: Sequence[FoldResult], corpus: Corpus) -> list[tuple[str, str]]:
    tested = corpus.table
    rows = [
        ("corpus", f"{corpus.name}, sha256 {run.corpus['sha256']}"),
        ("made by", f"trilead {corpus.software_version}"),
        ("recordings", f"{len(corpus.sources)} of {tested['subject'].nunique()} subjects"),
        ("windows", f"{corpus.n_windows} of {corpus.window_s:g} s, one every {corpus.hop_s:g} s"),
        ("leads", f"{', '.join(corpus.leads)} at {corpus.rate_hz:g} Hz, in {corpus.unit}, scale {corpus.scale}"),
    ]
    for result in {result.split: result for result in results}.values():
        rows.append((f"split {result.split}", f"hash {result.config.split_info.get('hash', '')}"))
    rows += [(key.replace("_", " "), str(value)) for key, value in run.environment.items()]
    return rows


def _caveats(own: Sequence[FoldResult], pooled: FoldFigures, kind: str, corpus: Corpus) -> list[str]:
    n_subjects = len(pooled.by_subject)
    caveats = [CAVEATS[kind]] if kind in CAVEATS else []
    if n_subjects < 30:
        caveats.append(
            f"{n_subjects} people are few. With more of them to tell apart identity gets harder, and how these figures "
            "carry over to other people is not known."
        )
    caveats.append(
        "Intervals come from drawing whole recordings anew (2000 times), because windows of one recording are alike. "
        "They do not cover another choice of people, nor another training with another seed."
    )
    if any(task is not None and task.interval is None for result in own for task in result.figures.tasks.values()):
        caveats.append("Where no interval stands, there were fewer than five recordings to draw from.")
    caveats.append(
        "Chance is what always naming the most frequent class would reach. A figure is for a single window of "
        f"{corpus.window_s:g} s; windows were not put together."
    )
    return caveats


def _title(network: str) -> str:
    return NETWORK_TITLES.get(network, network)


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f}\u202f%"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}\u202f%"


def _points(difference: float) -> str:
    return f"{'+' if difference >= 0 else '−'}{abs(100 * difference):.1f}"
