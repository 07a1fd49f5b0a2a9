"""``trilead train``, ``trilead evaluate`` and ``trilead demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from protocols.console import console, say_interrupted, user_errors

if TYPE_CHECKING:
    from model.config import TrainConfig

__all__ = ["app"]

app = typer.Typer()

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's folder.")]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or mps.")]


@app.command()
@user_errors
def train(
    study: StudyFolder,
    corpus: Annotated[str | None, typer.Option(help="Name of the corpus.  [default: default]")] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Which windows train and which test: a split of the corpus (random, time-block, across-sessions, "
            "across-activities, across-factor:NAME, unseen-subjects …), or one fold.  [default: across-sessions]"
        ),
    ] = None,
    network: Annotated[str | None, typer.Option(help="The network: dt4ecg or resnet.  [default: dt4ecg]")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Train this network too, on the same windows, and compare, e.g. resnet.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model.  [default: NETWORK-SPLIT]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training windows at most.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Windows per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better validation; 0 never does.")
    ] = None,
    motion: Annotated[
        float | None,
        typer.Option(
            help="Strength of the simulated motion that half of the training windows get.  [default: 0.5; 0 for random "
            "and time-block]"
        ),
    ] = None,
    balance: Annotated[
        str | None, typer.Option(help="How the two losses are weighed: gradnorm or equal.  [default: gradnorm]")
    ] = None,
    baseline_balance: Annotated[str | None, typer.Option(help="The same for the baseline.  [default: equal]")] = None,
    baseline_motion: Annotated[
        float | None,
        typer.Option(help="The same for the baseline; 0 trains it plain.  [default: as --motion]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; 0 leaves the choice to torch.")] = None,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model of this name.")] = False,
) -> None:
    """Train a network on every fold of a split, test it on windows it has never seen, and write a report."""
    from model.config import TrainConfig
    from model.errors import ConfigInvalid

    if resume and overwrite:
        raise ConfigInvalid("--resume goes on with a model and --overwrite throws it away; choose one of them.")
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience_epochs": patience,
        "seed": seed,
        "threads": threads,
    }
    from acquire.study import Study
    from curate.corpus.build import corpus_path
    from curate.corpus.read import open_corpus
    from curate.splits.make import family_of
    from model.run import check_name, free_name, open_run
    from model.show import TrainingBars, figures_table, progress_bars
    from model.train import train_run

    opened_study = Study.open(study)
    models = opened_study.models_dir
    split = None if split is None else family_of(split)
    wanted = name or f"{network or 'dt4ecg'}-{split or 'across-sessions'}"
    check_name(models, wanted)
    if resume:
        folder = models / wanted
        run = open_run(folder)
        named: dict[str, tuple[Any, Any]] = {
            "--corpus": (corpus, run.corpus["name"]),
            "--split": (split, run.family),
            "--network": (network, run.networks[0]["network"]),
            "--baseline": (baseline, run.networks[1]["network"] if len(run.networks) > 1 else None),
            "--balance": (balance, run.networks[0]["balance"]),
            "--motion": (motion, run.networks[0]["augment"]["motion"]),
            "--baseline-balance": (baseline_balance, run.networks[-1]["balance"] if len(run.networks) > 1 else None),
        }
        named["--baseline-motion"] = (
            baseline_motion,
            run.networks[-1]["augment"]["motion"] if len(run.networks) > 1 else None,
        )
        named |= {f"--{key.replace('_', '-')}": (value, run.networks[0][key]) for key, value in given.items()}
        for option, (value, begun) in named.items():
            if value is not None and value != begun:
                raise ConfigInvalid(
                    f"{option} is {value}, and {folder} was begun with {begun}; leave the option out to go on, or "
                    "train under another --name."
                )
        configs = _resumed(run.networks)
        corpus_name, family = run.corpus["name"], run.family
    else:
        folder = models / (wanted if overwrite else free_name(models, wanted))
        corpus_name, family = corpus or "default", split or "across-sessions"
        configs = [TrainConfig.usual(family, motion=motion, network=network, balance=balance, **given)]
        if baseline is not None:
            plain = motion if baseline_motion is None else baseline_motion
            configs.append(
                TrainConfig.usual(family, motion=plain, network=baseline, balance=baseline_balance or "equal", **given)
            )
    try:
        with (
            open_corpus(corpus_path(opened_study, corpus_name), check_seal=True) as opened,
            progress_bars(console) as progress,
        ):
            result = train_run(
                opened,
                folder=folder,
                family=family,
                configs=configs,
                device=device,
                resume=resume,
                overwrite=overwrite,
                on_epoch=TrainingBars(progress),
            )
    except KeyboardInterrupt:
        say_interrupted(f"Stopped by Ctrl-C; go on with: trilead train {study} --name {folder.name} --resume")
    console.print(figures_table(result.summary))
    console.print(Text.assemble("Model  ", (str(result.folder), "bold")))
    console.print(Text.assemble("Report ", (str(result.report), "bold")))


@app.command()
@user_errors
def evaluate(
    study: StudyFolder,
    model: Annotated[str, typer.Option(help="Name of the model.")],
    corpus: Annotated[
        str | None, typer.Option(help="Name of the corpus.  [default: the one it was trained on]")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split whose test windows are asked.  [default: the one it was trained with]")
    ] = None,
    device: Device = "auto",
) -> None:
    """Test a trained model on the test windows of a corpus, and write figures, predictions and a report."""
    from acquire.study import Study
    from curate.corpus.build import corpus_path
    from curate.corpus.read import open_corpus
    from model.evaluate_run import evaluate_run
    from model.run import check_name, open_run
    from model.show import figures_table

    opened_study = Study.open(study)
    check_name(opened_study.models_dir, model)
    folder = opened_study.models_dir / model
    corpus_name = corpus or open_run(folder).corpus["name"]
    with (
        open_corpus(corpus_path(opened_study, corpus_name), check_seal=True) as opened,
        console.status(f"Testing {model} on {corpus_name} …"),
    ):
        result = evaluate_run(folder, opened, split=split, device=device)
    for note in result.notes:
        console.print(Text(note))
    console.print(figures_table(result.summary))
    console.print(Text.assemble("Report ", (str(result.report), "bold")))


@app.command()
@user_errors
def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="An empty or new folder for the study.  [default: trilead-demo, or the next free name]"),
    ] = None,
) -> None:
    """Walk the whole way with simulated people: record, build a corpus, train DT4ECG, report (about two minutes)."""
    from model.demo import show_demo

    show_demo(out)


def _resumed(networks: list[dict[str, Any]]) -> list[TrainConfig]:
    from model.config import TrainConfig

    return [TrainConfig.from_json(network) for network in networks]
