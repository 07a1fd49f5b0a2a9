"""A split that a table gives: honest tables, and tables that nobody should be able to build a corpus with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curate.corpus.windows import ActivityRange, WindowGrid
from curate.errors import SplitError
from curate.splits import from_file
from curate.splits.make import SplitPlan, SplitSettings, make_split

SETTINGS = SplitSettings(window_s=3.0, hop_s=1.0, guard_s=3.0)
N = 6_000
GRID = WindowGrid(up=1, down=1, n_raw=N, n_samples=300, n_hop=100)


def ranges() -> list[ActivityRange]:
    """Three subjects in two sessions, each a recording that rests and walks."""
    return [
        ActivityRange(
            recording=f"S{subject}-{session}",
            recording_id=f"{subject}{session}",
            subject=f"S{subject}",
            session=f"{session}",
            activity=activity,
            start=place * N // 2,
            stop=(place + 1) * N // 2,
            rate_hz=100.0,
            grid=GRID,
        )
        for subject in (1, 2, 3)
        for session in (1, 2)
        for place, activity in enumerate(("rest", "walk"))
    ]


def plan_of(path: Path, text: str | bytes, parts: list[ActivityRange] | None = None) -> SplitPlan:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (plan,) = make_split(f"fixed:{path}", parts or ranges(), SETTINGS)
    return plan


def sides_of(plan: SplitPlan) -> dict[str, set[str]]:
    return {
        side: {part.recording for part in plan.parts if part.side == code}
        for code, side in enumerate(("unused", "train", "validate", "test"))
        if code
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sides.csv"


def test_recordings_take_the_side_that_their_line_says(path: Path) -> None:
    plan = plan_of(path, "recording,side\nS1-1,train\nS2-1,train\nS1-2,validate\nS2-2,test\nS3-1,unused\n\n")
    assert sides_of(plan) == {"train": {"S1-1", "S2-1"}, "validate": {"S1-2"}, "test": {"S2-2"}}
    assert (plan.name, plan.kind, plan.family) == ("fixed.sides", "fixed", "fixed.sides")
    assert plan.apart == (("recording",),)
    assert plan.tasks == ("identity", "activity")
    assert plan.parameters["file"] == "sides.csv"
    assert len(plan.parameters["sha256"]) == 64
    assert str(path.parent) not in str(plan.describe())


@pytest.mark.parametrize(
    "text",
    [
        "side,subject\ntrain,S1\ntrain,S2\ntest,S3\n",
        "Subject;Side\r\nS1;train\r\nS2;train\r\nS3;test\r\n",
        "\ufeffsubject\tside\nS1\ttrain\nS2\ttrain\nS3\ttest",
        '"subject","side"\n"S1",train\n S2, train \nS3,test\n',
    ],
)
def test_other_ways_to_write_a_table_and_the_end_validates_where_no_line_does(path: Path, text: str) -> None:
    plan = plan_of(path, text)
    sides = sides_of(plan)
    assert sides["train"] == sides["validate"] == {"S1-1", "S1-2", "S2-1", "S2-2"}
    assert sides["test"] == {"S3-1", "S3-2"}
    assert plan.tasks == ("activity",)
    assert plan.apart == (("subject",), ("recording",))
    assert "Identity is not asked, for S3 is never trained." in plan.words
    assert "last 15% validate" in plan.words


def test_sessions_of_one_name_belong_to_different_subjects(path: Path) -> None:
    plan = plan_of(path, "subject,session,side\nS1,1,train\nS2,1,train\nS1,2,test\nS2,2,validate\n")
    assert sides_of(plan) == {"train": {"S1-1", "S2-1"}, "validate": {"S2-2"}, "test": {"S1-2"}}
    assert plan.apart == (("subject", "session"), ("recording",))


def test_stretches_are_sample_exact_and_stay_within_what_could_give_windows(path: Path) -> None:
    table = "recording,start,stop,side\nS1-1,,2500,train\nS1-1,2500,,test\nS2-1,100,5999,train\nS2-2,,,test\n"
    plan = plan_of(path, table.replace("S2-1,100,5999,train", "S2-1,100,5000,train\nS2-1,5000,6000,validate"))
    mine = [(part.start, part.stop, part.side) for part in plan.parts if part.recording == "S1-1"]
    assert mine == [(0, 2500, 1), (2500, 3000, 3), (3000, 6000, 3)]
    assert plan.apart == ()
    assert "without a guard" in plan.words


def test_activities_that_are_only_tested_are_not_asked_for(path: Path) -> None:
    parts = [replace(part, recording=f"{part.recording}-{part.activity}") for part in ranges()]
    lines = [f"{part.recording},{'train' if part.activity == 'rest' else 'test'}" for part in parts]
    plan = plan_of(path, "\n".join(["recording,side", *lines]), parts)
    assert plan.tasks == ("identity",)
    assert "Activity is not asked, for walk is never trained." in plan.words


def test_another_table_has_another_hash(path: Path) -> None:
    one = plan_of(path, "subject,side\nS1,train\nS2,train\nS3,test\n")
    other = plan_of(path, "subject,side\nS1,train\nS2,train\nS3,test\n\n")
    assert one.parameters["sha256"] != other.parameters["sha256"]
    assert one.parts == other.parts


HEADER = "recording,side\n"
GOOD = "S1-1,train\nS2-1,train\nS1-2,test\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no lines"),
        ("\n\n  \n", "has no lines"),
        (HEADER, "has no lines"),
        ("recording\nS1-1\n", "must be side and one of"),
        ("side\ntrain\n", "must be side and one of"),
        ("recording,subject,side\nS1-1,S1,train\n", "must be side and one of"),
        ("subject,start,stop,side\nS1,0,5,train\n", "must be side and one of"),
        ("recording,side,side\nS1-1,train,train\n", "must be side and one of"),
        ("recording,side,note\nS1-1,train,x\n", "must be side and one of"),
        ("<html><body>404</body></html>\n", "must be side and one of"),
        ("x" * 100_000 + "\n", "must be side and one of"),
        (HEADER + GOOD + "S3-1\n", "line 5: it has 1 cells under 2 columns"),
        (HEADER + GOOD + "S3-1,test,\n", "line 5: it has 3 cells under 2 columns"),
        (HEADER + GOOD + "S3-1,Train\n", "line 5: side is 'Train'"),
        (HEADER + GOOD + "S3-1,\n", "line 5: side is ''"),
        (HEADER + GOOD + ",test\n", "line 5: it names no recording"),
        (HEADER + GOOD + "S9-1,test\n", "line 5: recording 'S9-1' is not in the study"),
        (HEADER + GOOD + "../../etc/passwd,test\n", "is not in the study"),
        (HEADER + GOOD + "S1-1,test\n", "lines 2 and 5: both give a side to recording 'S1-1'"),
        (HEADER + GOOD + "S1-1,train\n", "lines 2 and 5"),
        (HEADER + "S1-1,train\nS2-1,train\n", "gives test to anything"),
        (HEADER + "S1-1,test\nS2-1,validate\n", "gives train to anything"),
        (HEADER + GOOD + '"S3-1,test\n', "it is no CSV"),
        (b"recording,side\nS1\xff-1,train\n", "not UTF-8 text"),
        (b"\x1f\x8b\x08\x00" + bytes(range(256)), "not UTF-8 text"),
        ("recording,side\0\nS1-1,train\n", "must be side and one of"),
        ("recording,start,stop,side\nS1-1,a,9,train\n", "line 2: start is 'a'"),
        ("recording,start,stop,side\nS1-1,-5,9,train\n", "line 2: start is '-5'"),
        ("recording,start,stop,side\nS1-1,0,1e3,train\n", "line 2: stop is '1e3'"),
        ("recording,start,stop,side\nS1-1,0,nan,train\n", "line 2: stop is 'nan'"),
        ("recording,start,stop,side\nS1-1,٣,9,train\n", "line 2: start is '٣'"),
        (f"recording,start,stop,side\nS1-1,0,{'9' * 400},train\n", "line 2: stop is '999"),
        ("recording,start,stop,side\nS1-1,9,9,train\n", "line 2: stop is 9 and start 9"),
        ("recording,start,stop,side\nS1-1,0,6001,train\n", "line 2: stop is 6001; recording 'S1-1' has 6000 samples"),
        ("recording,start,stop,side\nS1-1,0,3000,train\nS1-1,2999,6000,test\n", "lines 2 and 3"),
        ("recording,start,stop,side\nS1-1,100,,train\nS1-1,0,101,test\n", "lines 2 and 3"),
        ("subject,session,side\nS1,9,train\n", "subject 'S1' session '9' is not in the study"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_in_one_sentence_with_its_line(
    path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises(SplitError) as caught:
        plan_of(path, text)
    assert words in str(caught.value)
    assert "sides.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_what_neither_names_people_nor_activities_that_were_trained_asks_nothing(path: Path) -> None:
    parts = [replace(part, recording=f"{part.recording}-{part.activity}") for part in ranges()]
    with pytest.raises(SplitError, match="trains neither"):
        plan_of(path, "recording,side\nS1-1-rest,train\nS2-1-rest,train\nS3-1-walk,test\n", parts)


@pytest.mark.parametrize("name", ["nothing.csv", ".", "no/such/folder.csv", "x" * 5_000, "a\0b.csv"])
def test_a_file_that_is_not_there_or_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SplitError) as caught:
        make_split(f"fixed:{tmp_path / name}", ranges(), SETTINGS)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_table_of_a_hundred_megabytes_is_not_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(SplitError, match="100 MB"):
        make_split(f"fixed:{path}", ranges(), SETTINGS)


def test_a_folder_is_not_taken_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="is not a plain file"):
        make_split(f"fixed:{tmp_path}", ranges(), SETTINGS)


def test_a_table_of_millions_of_lines_is_not_parsed(path: Path) -> None:
    path.write_text(HEADER + GOOD * 200_000)
    with pytest.raises(SplitError, match="has 600001 lines; a table of sides has at most 500000"):
        make_split(f"fixed:{path}", ranges(), SETTINGS)


def test_the_first_faulty_line_ends_the_reading(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = from_file._row
    monkeypatch.setattr(from_file, "_row", lambda *given: read.append(given[1]) or real(*given))
    path.write_text(HEADER + "S1-1,train\nnobody,test\n" + GOOD * 100)
    with pytest.raises(SplitError, match="line 3: recording 'nobody'"):
        make_split(f"fixed:{path}", ranges(), SETTINGS)
    assert read == [2, 3]


def test_a_long_table_is_read_in_a_moment(path: Path) -> None:
    many = [replace(ranges()[0], recording=f"r{number}", subject=f"S{number % 5}") for number in range(5_000)]
    lines = [f"{part.recording},{'test' if number % 7 == 0 else 'train'}" for number, part in enumerate(many)]
    plan = plan_of(path, "\n".join(["recording,side", *lines]), many)
    assert np.isin([part.side for part in plan.parts], (1, 2, 3)).all()
    assert len({part.recording for part in plan.parts}) == 5_000
