"""The Python of ``docs/corpus.md``, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_study import made_up_study

from curate.corpus.build import build_corpus

PAGE = Path(__file__).parents[2] / "docs" / "corpus.md"
FORMATS = PAGE.parent / "formats.md"


@pytest.fixture
def corpus_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return build_corpus(made_up_study(Path("cohort"), n_subjects=2, n_sessions=2, seconds=40))


def test_the_lines_that_read_a_corpus_run(corpus_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    exec(code[1], {})
    assert "rest" in capsys.readouterr().out


def test_the_page_of_formats_names_everything_that_is_in_the_file(corpus_file: Path) -> None:
    told = FORMATS.read_text(encoding="utf-8").partition("## The corpus")[2]
    with h5py.File(corpus_file) as file:
        names = [*file.attrs]
        file.visititems(lambda name, one: names.append(name) if isinstance(one, h5py.Dataset) else None)
        n = file["windows/signal"].shape[0]
        assert {file[f"windows/{name}"].shape[0] for name in ("lead_ok", "lead_quality", "table/start")} == {n}
        assert np.all(file["windows/table/length"][()] == file["windows/signal"].shape[2])
    for name in names:
        folder, _, last = name.rpartition("/")
        if folder == "splits" or folder.startswith("prints/"):
            continue
        assert f"`{last}`" in told or f"`/{name}`" in told, name
