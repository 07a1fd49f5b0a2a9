from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import model.report
from curate.corpus.read import Corpus
from model.config import TrainConfig
from model.pictures import Line, confusion_matrix, line_chart, trace
from model.report import _comparison, _template
from model.train import train_run


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "xlink:href"}]
        if tag in {"script", "link", "iframe"}:
            self.outside.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(corpus: Corpus, quick: TrainConfig, tmp_path: Path) -> str:
    first = replace(quick, epochs=2, network="dt4ecg", network_settings={"widths": [8, 8, 8]})
    second = replace(quick, epochs=2, balance="equal")
    run = train_run(corpus, folder=tmp_path / "m", family="across-sessions", configs=[first, second], device="cpu")
    return run.report.read_text()


def test_the_page_needs_nothing_else_and_says_everything(page: str, corpus: Corpus, tmp_path: Path) -> None:
    parser = Page()
    parser.feed(page)
    assert parser.outside == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", page)
    assert str(tmp_path) not in page
    for words in (
        "On sessions it had never seen, DT4ECG named the right one of 3 people",
        "made for a test, across-sessions.2",
        "beside ResNet",
        "their trainings differ in balance (gradnorm against equal)",
        "GradNorm's weights",
        "learning_rate",
        "augment.motion",
        str(corpus.split_info("across-sessions.1")["hash"]),
        "chance",
        "3 people are few",
        "Named right",
    ):
        assert words in parser.text, words


@pytest.mark.parametrize(("interval", "chance"), [((-0.02, 0.08), True), ((0.01, 0.08), False)])
def test_a_gain_whose_interval_includes_zero_is_said_to_be_maybe_chance(
    interval: tuple[float, float], chance: bool
) -> None:
    figures = {"identity": {"accuracy": 0.8}}
    difference = {"difference": 0.03, "interval": interval}
    summary = {
        "networks": {"dt4ecg": figures, "resnet": figures},
        "comparison": {"resnet": {"identity": difference, "activity": None}},
    }
    rows = _comparison("dt4ecg", summary)
    source = (Path(model.report.__file__).parent / "templates" / "report.html.j2").read_text(encoding="utf-8")
    table = source[
        source.index("{% for row in comparison %}") : source.index("</table>", source.index("in comparison"))
    ]
    assert ("may be chance" in _template().environment.from_string(table).render(comparison=rows)) == chance


def test_every_picture_is_well_formed(page: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(pictures) > 12
    for picture in pictures:
        ElementTree.fromstring(picture)


@pytest.mark.parametrize("n", [2, 12, 13, 50])
def test_a_confusion_matrix_has_numbers_only_where_they_can_be_read(n: int) -> None:
    confusion = (np.eye(n, dtype=int) * 9 + 1).tolist()
    picture = ElementTree.fromstring(confusion_matrix(confusion, [f"S{i:02d}" for i in range(n)], title="t"))
    numbers = [text for text in picture.iter("text") if "share" in text.attrib["class"]]
    assert len(numbers) == (n * n if n <= 12 else 0)


def test_hostile_names_stay_text() -> None:
    name = "<script>&\"'"
    for picture in (
        confusion_matrix([[1, 0], [0, 1]], [name, "b"], title=name),
        line_chart([Line(label=name, style="plain", values=[1.0, 2.0])], title=name),
        trace(np.zeros((1, 10), dtype=np.float32), leads=[name], rate_hz=10.0, title=name),
    ):
        ElementTree.fromstring(picture)
        assert "<script>" not in picture


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [1.0, 1.0, 1.0], [1e-9, 3e-3], [5.0, 1e6], [0.97, 0.99]])
def test_a_chart_of_any_values_stays_in_its_frame(values: list[float]) -> None:
    picture = ElementTree.fromstring(line_chart([Line(label="a", style="plain", values=values)], title="t", mark=1))
    for line in picture.iter("polyline"):
        ys = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        assert all(0 <= y <= 200 for y in ys)


def test_one_epoch_and_perfect_predictions_still_make_a_page(
    make_corpus: Callable[..., Corpus], quick: TrainConfig, tmp_path: Path
) -> None:
    config = replace(quick, epochs=1)
    run = train_run(make_corpus(), folder=tmp_path / "m", family="time-block", configs=[config], device="cpu")
    assert "On later parts of the recordings" in run.report.read_text()
