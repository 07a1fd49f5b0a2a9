"""Exports of corpora, read back by numpy, pandas, pyarrow and mlcroissant."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_study import made_up_study

from acquire.study import Study
from curate.corpus.build import build_corpus
from curate.corpus.read import Corpus, open_corpus
from curate.errors import CorpusError, ExportError
from curate.exporters import export_corpus

# pyarrow and mlcroissant warn of what other libraries do.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = made_up_study(tmp_path_factory.mktemp("corpora") / "study", n_subjects=2, seconds=40.0)
    build_corpus(study, workers=1)
    return study


@pytest.fixture
def corpus(built: Study) -> Corpus:
    return open_corpus(built.corpora_dir / "default.h5")


def test_npz_holds_the_whole_corpus_and_needs_no_pickle(built: Study, corpus: Corpus, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    files = export_corpus(built, tmp_path / "out", format="npz", on_progress=lambda *told: seen.append(told))
    assert [file.name for file in files] == ["default.npz"]
    with np.load(files[0], allow_pickle=False) as read:
        np.testing.assert_array_equal(read["signal"], corpus.read())
        np.testing.assert_array_equal(read["lead_ok"], corpus.lead_ok())
        assert read["leads"].tolist() == list(corpus.leads)
        for column in corpus.table.columns:
            np.testing.assert_array_equal(read[f"table/{column}"], corpus.table[column].to_numpy())
        for split in corpus.split_names:
            np.testing.assert_array_equal(read[f"split/{split}"], corpus.split(split))
        told = json.loads(str(read["about"]))
    assert told["rate_hz"] == corpus.rate_hz
    assert told["unit"] == corpus.unit
    assert told["cleaning"] == json.loads(json.dumps(corpus.cleaning))
    assert seen[0] == ("default", 0, corpus.n_windows)
    assert seen[-1] == ("default", corpus.n_windows, corpus.n_windows)


def test_parquet_gives_pandas_the_whole_corpus(built: Study, corpus: Corpus, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    (file,) = export_corpus(built, tmp_path / "out", format="parquet")
    table = pd.read_parquet(file)
    for column in corpus.table.columns:
        np.testing.assert_array_equal(table[column].to_numpy(), corpus.table[column].to_numpy())
    for split in corpus.split_names:
        np.testing.assert_array_equal(table[f"split.{split}"].to_numpy().astype(str), corpus.split(split))
    windows = corpus.read()
    for place, lead in enumerate(corpus.leads):
        np.testing.assert_array_equal(np.stack(table[f"signal.{lead}"].to_numpy()), windows[:, place])
        np.testing.assert_array_equal(table[f"lead_ok.{lead}"].to_numpy(), corpus.lead_ok()[:, place])
    told = json.loads(pq.read_schema(file).metadata[b"trilead"])
    assert told["splits"].keys() == set(corpus.split_names)


def test_croissant_describes_the_table_by_its_digest_and_its_columns(
    built: Study, corpus: Corpus, tmp_path: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    export_corpus(built, tmp_path / "out", format="croissant")
    told = json.loads((tmp_path / "out" / "croissant.json").read_text("utf-8"))
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    (file,) = told["distribution"]
    table = tmp_path / "out" / file["contentUrl"]
    assert file["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert file["contentSize"] == f"{table.stat().st_size} B"
    (records,) = told["recordSet"]
    columns = [field["source"]["extract"]["column"] for field in records["field"]]
    assert sorted(columns) == sorted(pq.read_schema(table).names)
    assert len({field["@id"] for field in records["field"]}) == len(columns)
    for field in records["field"]:
        assert field["source"]["fileObject"]["@id"] == file["@id"]
        assert field["dataType"].startswith("sc:")


def test_mlcroissant_reads_the_windows(built: Study, corpus: Corpus, tmp_path: Path) -> None:
    mlc = pytest.importorskip("mlcroissant")
    pytest.importorskip("pyarrow")
    export_corpus(built, tmp_path / "out", format="croissant")
    data = mlc.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not data.metadata.ctx.issues.errors
    windows = corpus.read()
    n_read = 0
    for place, record in enumerate(data.records(record_set="windows")):
        np.testing.assert_array_equal(np.asarray(record["windows/signal.I"], dtype=np.float32), windows[place, 0])
        assert record["windows/subject"].decode() == corpus.table["subject"].iloc[place]
        n_read += 1
        if n_read == 20:
            break
    assert n_read == 20


@pytest.mark.parametrize("format", ["npz", "parquet", "croissant"])
def test_the_same_corpus_gives_the_same_bytes(format: str, built: Study, tmp_path: Path) -> None:
    if format != "npz":
        pytest.importorskip("pyarrow")
    first = export_corpus(built, tmp_path / "a", format=format)
    second = export_corpus(built, tmp_path / "b", format=format)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert str(built.path).encode() not in one.read_bytes()


def test_without_pyarrow_the_sentence_says_what_to_install(
    built: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"trilead\[formats\]"):
        export_corpus(built, tmp_path / "out", format="parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_corpus_is_not_exported(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=40.0)
    path = build_corpus(study, workers=1)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 8] = b"\xff" * 8
    path.write_bytes(raw)
    with pytest.raises(CorpusError, match="its seal does not fit"):
        export_corpus(study, tmp_path / "out", format="npz")
    assert not (tmp_path / "out").exists()


def test_the_folder_that_one_stands_in_is_not_replaced(built: Study) -> None:
    for name in (".", ".."):
        with pytest.raises(ExportError, match="no name for a new folder"):
            export_corpus(built, Path(name), format="npz")


def test_a_corpus_that_is_not_there_is_named(built: Study, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such corpus"):
        export_corpus(built, tmp_path / "out", name="other", format="npz")
    with pytest.raises(ExportError, match="npz, parquet, croissant"):
        export_corpus(built, tmp_path / "out", format="wfdb")
    assert list(tmp_path.iterdir()) == []
