import re
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_study import made_up_content, made_up_study, write_content

from curate.corpus.build import build_corpus, card_path
from curate.corpus.card import write_card
from curate.corpus.pictures import ecg_picture, heart_rate_picture


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = made_up_study(tmp_path_factory.mktemp("card") / "study", n_subjects=2, n_sessions=2, seconds=40)
    write_content(study, made_up_content(subject="S03", session="01", person=2, seconds=40, activities=("rest",)))
    return build_corpus(study)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "line", "rect", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("line", "rect", "polyline"):
            return
        assert self.open.pop() == tag


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


def test_the_card_is_whole_and_fetches_nothing(corpus_file: Path) -> None:
    text = card_path(corpus_file).read_text(encoding="utf-8")
    tags = parsed(text)
    assert not {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object"}
    for _, attrs in tags.seen:
        for name in ("src", "href", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#")
    assert "url(http" not in text
    anchors = {attrs["href"] for tag, attrs in tags.seen if tag == "a"}
    assert anchors == {f"#{attrs['id']}" for _, attrs in tags.seen if attrs.get("id")}


def test_the_card_shows_what_is_in_and_what_is_not(corpus_file: Path) -> None:
    text = card_path(corpus_file).read_text(encoding="utf-8")
    for words in (
        "Corpus default",
        "filter not settled",
        "activity changes inside",
        "mV",
        "band hz",
        "0.5, 40",
        "time-block",
    ):
        assert words in text
    assert text.count('<td class="empty">none</td>') == 1
    pictures = [attrs["aria-label"] for tag, attrs in parsed(text).seen if tag == "svg"]
    assert len([label for label in pictures if label and "ECG, leads I, II, III, in mV" in label]) == 2 + 3


def test_text_from_outside_cannot_become_markup(corpus_file: Path, tmp_path: Path) -> None:
    hostile = '<script>alert("1")</script>&{{7*7}}'
    path = tmp_path / "hostile.h5"
    path.write_bytes(corpus_file.read_bytes())
    with h5py.File(path, "r+") as file:
        n = file["windows/signal"].shape[0]
        for column in ("subject", "activity"):
            values = file[f"windows/table/{column}"][()]
            del file[f"windows/table/{column}"]
            names = np.where(values == values[0], hostile.encode(), values.astype("S64"))
            file[f"windows/table/{column}"] = names.astype(h5py.string_dtype("utf-8", 64))
        assert n > 0
    write_card(path, tmp_path / "hostile.html")
    text = (tmp_path / "hostile.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "49" not in re.findall(r"alert\(.*?49", text)
    assert "&lt;script&gt;" in text
    parsed(text)


def test_pictures_bear_flat_missing_and_unnamed_signals() -> None:
    window = np.zeros((2, 50), dtype=np.float32)
    for ok in ([True, True], [True, False], [False, False]):
        text = ecg_picture(window, leads=("I", "<b>"), lead_ok=np.array(ok), rate_hz=25.0, unit="mV")
        parsed(text)
        assert "nan" not in text
        assert text.count("no signal") == 2 - sum(ok)
    assert heart_rate_picture({}) == ""
    assert heart_rate_picture({"rest": np.array([np.nan], dtype=np.float32)}) == ""
    parsed(heart_rate_picture({"rest": np.array([60.0]), "walk": np.array([np.nan])}))
