from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquire.boards.board import Channel
from acquire.errors import RecordingError, RecordingErrorReason
from acquire.montage import lead_weights
from acquire.recordings.recording import Gap, RecordingContent, open_recording
from acquire.recordings.recording_write import write_recording
from acquire.recordings.seal import sealed

MakeContent = Callable[..., RecordingContent]


def test_a_recording_reads_back_as_it_was_written(tmp_path: Path, make_content: MakeContent) -> None:
    content = make_content()
    write_recording(tmp_path / "r.h5", content)
    with open_recording(tmp_path / "r.h5") as recording:
        assert recording.header == content.header
        assert recording.channels == content.channels
        assert recording.events == content.events
        assert recording.gaps == content.gaps
        assert recording.protocol_text == content.protocol_text
        assert recording.n_samples == 1000
        assert recording.rate_hz == 249.5
        assert recording.unit == "mV"
        np.testing.assert_array_equal(recording.counts(), content.counts)
        np.testing.assert_array_equal(recording.counts(290, 330), content.counts[290:330])
        np.testing.assert_array_equal(recording.valid, content.valid)
        np.testing.assert_array_equal(recording.clock, content.clock)
        assert recording.sha256() == hashlib.sha256((tmp_path / "r.h5").read_bytes()).hexdigest()
    assert [file.name for file in tmp_path.iterdir()] == ["r.h5"]


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_samples_keep_their_type(tmp_path: Path, make_content: MakeContent, dtype: str) -> None:
    content = make_content()
    write_recording(tmp_path / "r.h5", replace(content, counts=(content.counts // 1024).astype(dtype)))
    with open_recording(tmp_path / "r.h5") as recording:
        assert recording.counts().dtype == dtype


def test_a_recording_without_samples_is_one(tmp_path: Path, make_content: MakeContent) -> None:
    content = make_content()
    empty = replace(
        content,
        counts=content.counts[:0],
        valid=content.valid[:0],
        clock=content.clock[:0],
        gaps=(),
        events=tuple(replace(event, index=0) for event in content.events),
    )
    write_recording(tmp_path / "r.h5", empty)
    with open_recording(tmp_path / "r.h5") as recording:
        assert recording.n_samples == 0
        assert recording.signal().shape == (0, 6)


def test_leads_follow_from_einthoven_and_goldberger_and_gaps_are_nan(tmp_path: Path, make_content: MakeContent) -> None:
    content = make_content()
    write_recording(tmp_path / "r.h5", content)
    with open_recording(tmp_path / "r.h5") as recording:
        assert recording.leads == ("I", "II", "III", "aVR", "aVL", "aVF")
        assert recording.measured_leads == ("I", "II", "III")
        signal = recording.signal()
        part = recording.signal(["aVF", "I"], 310, 400)
        with pytest.raises(ValueError, match="has no lead V1"):
            recording.signal(["V1"])
        with pytest.raises(ValueError, match="do not lie in"):
            recording.counts(0, 1001)
    one = content.counts[:, 0] * 0.5
    two = (content.counts[:, 1] - 10.0) * 0.25
    good = np.r_[0:300, 320:1000]
    expected = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    np.testing.assert_allclose(signal[good], expected[good], rtol=1e-12)
    assert np.isnan(signal[300:320]).all()
    np.testing.assert_array_equal(part, signal[310:400][:, [5, 0]])


@pytest.mark.parametrize(("pair", "third"), [(("I", "III"), "II"), (("II", "III"), "I"), (("I", "II"), "III")])
def test_any_two_limb_leads_give_all_six(pair: tuple[str, str], third: str) -> None:
    weights = lead_weights({pair[0]: {"a": 1.0}, pair[1]: {"b": 1.0}}, ["a", "b"])
    np.testing.assert_allclose(weights["II"], weights["I"] + weights["III"])
    assert third in weights
    assert len(weights) == 6


def test_one_lead_gives_one_lead() -> None:
    assert list(lead_weights({"ECG": {"a": 2.0}}, ["a", "b"])) == ["ECG"]


def test_an_existing_recording_is_never_overwritten(tmp_path: Path, make_content: MakeContent) -> None:
    write_recording(tmp_path / "r.h5", make_content())
    before = (tmp_path / "r.h5").read_bytes()
    with pytest.raises(RecordingError) as caught:
        write_recording(tmp_path / "r.h5", make_content(seed=1))
    assert caught.value.reason is RecordingErrorReason.EXISTS
    assert (tmp_path / "r.h5").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["r.h5"]


def test_what_cannot_be_read_back_is_not_published(
    tmp_path: Path, make_content: MakeContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    from acquire.recordings.recording_write import _write

    other = make_content(seed=1)
    monkeypatch.setattr(
        "acquire.recordings.recording_write._write", lambda sink, path, content: _write(sink, path, other)
    )
    with pytest.raises(RecordingError) as caught:
        write_recording(tmp_path / "r.h5", make_content())
    assert caught.value.reason is RecordingErrorReason.READ_BACK
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, make_content: MakeContent) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / "file" / "r.h5", make_content())


def _header(**changes: object) -> Callable[[RecordingContent], RecordingContent]:
    return lambda content: replace(content, header=replace(content.header, **changes))  # type: ignore[arg-type]


def _channel(**changes: object) -> Callable[[RecordingContent], RecordingContent]:
    return lambda content: replace(
        content,
        channels=(replace(content.channels[0], **changes), content.channels[1]),  # type: ignore[arg-type]
    )


def _set(**changes: object) -> Callable[[RecordingContent], RecordingContent]:
    return lambda content: replace(content, **changes)  # type: ignore[arg-type]


def _nan(content: RecordingContent) -> RecordingContent:
    counts = content.counts.astype(np.float32)
    counts[7, 0] = np.nan
    return replace(content, counts=counts)


def _in_gap(content: RecordingContent) -> RecordingContent:
    counts = content.counts.copy()
    counts[310, 0] = 1
    return replace(content, counts=counts)


def _event(**changes: object) -> Callable[[RecordingContent], RecordingContent]:
    return lambda content: replace(
        content,
        events=(*content.events[:2], replace(content.events[2], **changes)),  # type: ignore[arg-type]
    )


FAULTS = [
    (_header(subject="../x"), "subject is"),
    (_header(session=""), "session is empty"),
    (_header(run=0), "run is 0"),
    (_header(nominal_rate_hz=float("nan")), "nominal_rate_hz is nan"),
    (_header(fitted_rate_hz=-1.0), "fitted_rate_hz is -1"),
    (_header(mains_hz=55), "mains_hz is 55"),
    (_header(source="lab/data/x.csv"), "source names a folder"),
    (_header(recording_id="7"), "recording_id is"),
    (_header(montage={}), "names no lead"),
    (_header(montage={"I": {"three": 1.0}}), "channel 'three'"),
    (_header(montage={"I": {"one": float("inf")}}), "must be finite"),
    (_header(montage={"I": {"one": 1e308}}), "lie from"),
    (_header(factors={"electrode": ""}), "factor 'electrode'"),
    (_header(operator="x\0y"), "null or broken character"),
    (_channel(gain=0.0), "gain of channel one is 0.0"),
    (_channel(gain=float("nan")), "gain of channel one is nan"),
    (_channel(offset=float("inf")), "offset of channel one"),
    (_channel(unit="adu"), "different units"),
    (_channel(name="two"), "same name"),
    (_set(channels=(Channel(name="one", gain=1.0),)), "there are 1 channels"),
    (_set(gaps=()), r"\[300, 320\) are neither valid nor in a gap"),
    (_set(gaps=(Gap(start=299, length=21, cause="lost"),)), "overlaps"),
    (_set(gaps=(Gap(start=300, length=0, cause="lost"),)), "is empty"),
    (_set(valid=np.array([[0, 300], [320, 1001]])), "reach to 1001"),
    (_set(valid=np.array([[320, 1000], [0, 300]])), "out of order"),
    (_set(valid=np.zeros((2, 2))), "int64"),
    (_set(clock=np.array([[1000, 1, -1]])), "/clock speaks of rows"),
    (_set(clock=np.array([[9, 1, -1], [9, 2, -1]])), "/clock is out of order"),
    (_event(index=1001), "outside the 1000 samples"),
    (_event(index=-1), "outside the 1000 samples"),
    (_event(uuid="a"), "uuid of its own"),
    (_event(text="x" * 10_001), "too long"),
    (_nan, "sample 7 is NaN"),
    (_in_gap, "something else than zeros"),
    (lambda content: replace(content, counts=content.counts.astype(np.complex64)), "complex64"),
]


@pytest.mark.parametrize(("break_it", "sentence"), FAULTS)
def test_content_that_breaks_a_rule_is_not_written(
    tmp_path: Path,
    make_content: MakeContent,
    break_it: Callable[[RecordingContent], RecordingContent],
    sentence: str,
) -> None:
    with pytest.raises(RecordingError, match=sentence) as caught:
        write_recording(tmp_path / "r.h5", break_it(make_content()))
    assert caught.value.reason is RecordingErrorReason.BAD_VALUE
    assert "r.h5" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def reseal(path: Path) -> None:
    """Make a file's damage look as if trilead had written it."""
    path.write_bytes(sealed(path.read_bytes()))


def test_a_recording_that_another_program_changed_says_so(tmp_path: Path, make_content: MakeContent) -> None:
    path = tmp_path / "r.h5"
    write_recording(path, make_content())
    with h5py.File(path, "r+") as file:
        file.attrs["subject"] = "S02"
    with pytest.raises(RecordingError, match="was changed after it was written"):
        open_recording(path)


def _without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def _attr(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def _signal_attr(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file["signal"].attrs.__setitem__(name, value)


def _instead(name: str, data: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = data

    return change


DAMAGES = [
    *((_without(name), f"/{name} is missing") for name in ("signal", "valid", "clock", "events", "gaps", "protocol")),
    (lambda file: file.attrs.__delitem__("subject"), "attribute subject is missing"),
    (_attr("subject", 7), "subject is of the wrong type"),
    (_attr("run", "one"), "run is of the wrong type"),
    (_attr("mains_hz", np.int64(55)), "mains_hz is 55"),
    (_attr("nominal_rate_hz", np.float64("nan")), "nominal_rate_hz is nan"),
    (_attr("factors", "{"), "factors is not JSON"),
    (_attr("factors", "[]"), "not a JSON object"),
    (_attr("montage", json.dumps({"I": 1})), "montage has values of the wrong type"),
    (_attr("version", "new"), "no version"),
    (_signal_attr("gain", np.array([0.0, 1.0])), "gain of channel one is 0"),
    (_signal_attr("gain", np.array([np.nan, 1.0])), "gain of channel one is nan"),
    (_signal_attr("gain", np.array([1.0])), "attribute gain has shape"),
    (_signal_attr("names", np.array([1.0, 2.0])), "names of /signal is of the wrong type"),
    (_instead("valid", np.zeros((2, 2))), "/valid has shape"),
    (_instead("valid", np.array([[0, 300]])), "neither valid nor in a gap|reach to"),
    (_instead("clock", np.zeros(3, dtype=np.int64)), "/clock has shape"),
    (_instead("events", np.zeros(3)), "/events does not have the columns"),
    (_instead("protocol", 7), "/protocol is not text"),
    (_instead("signal", h5py.ExternalLink("other.h5", "/signal")), "/signal is missing"),
]


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES)
def test_a_damaged_recording_is_refused_with_its_fault(
    tmp_path: Path, make_content: MakeContent, damage: Callable[[h5py.File], None], sentence: str
) -> None:
    path = tmp_path / "r.h5"
    write_recording(path, make_content())
    with h5py.File(path, "r+") as file:
        damage(file)
    reseal(path)
    with pytest.raises(RecordingError, match=sentence) as caught:
        open_recording(path)
    assert caught.value.reason is RecordingErrorReason.DAMAGED
    assert "r.h5" in str(caught.value)


def test_a_recording_of_a_newer_trilead_says_so(tmp_path: Path, make_content: MakeContent) -> None:
    path = tmp_path / "r.h5"
    write_recording(path, make_content())
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = np.int64(3)
    reseal(path)
    with pytest.raises(RecordingError, match="update trilead") as caught:
        open_recording(path)
    assert caught.value.reason is RecordingErrorReason.NEWER_VERSION


def test_a_foreign_hdf5_file_is_not_a_recording(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["signal"] = np.zeros((3, 2))
    with pytest.raises(RecordingError, match="not a recording of trilead"):
        open_recording(tmp_path / "x.h5")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\0" * 4096])
def test_what_is_no_hdf5_file_is_not_a_recording(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(RecordingError):
        open_recording(tmp_path / "x.h5")


@pytest.mark.parametrize("place", ["nowhere.h5", "."])
def test_a_recording_that_is_not_there_is_one_sentence(tmp_path: Path, place: str) -> None:
    with pytest.raises(RecordingError, match="no such recording file"):
        open_recording(tmp_path / place)


def test_a_recording_cut_in_half_says_that_it_is_cut(tmp_path: Path, make_content: MakeContent) -> None:
    path = tmp_path / "r.h5"
    write_recording(path, make_content())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match="is cut, damaged") as caught:
        open_recording(path)
    assert caught.value.reason is RecordingErrorReason.CUT


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen_before_hdf5_stumbles_over_it(
    tmp_path: Path, make_content: MakeContent, place: float, bit: int
) -> None:
    content = make_content()
    path = tmp_path / "r.h5"
    if not path.exists():
        write_recording(path, content)
    whole = bytearray(path.read_bytes())
    whole[int(place * len(whole))] ^= 1 << bit
    flipped = tmp_path / "flipped.h5"
    flipped.write_bytes(whole)
    with pytest.raises(RecordingError):
        open_recording(flipped)


def test_the_five_lines_of_the_walkthrough_read_a_recording(
    tmp_path: Path, make_content: MakeContent, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recording(tmp_path / "r.h5", make_content())
    guide = Path(__file__).resolve().parents[2] / "docs" / "walkthrough.md"
    lines = guide.read_text(encoding="utf-8").split("```python\nimport h5py")[1].split("```")[0]
    program = re.sub(r'"my-study/[^"]*"', lambda _: repr(str(tmp_path / "r.h5")), f"import h5py{lines}")
    exec(compile(program, "walkthrough.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith("(1000, 2)")
    assert said.split()[-8:-4] == ["1", "0", "b'step'", "b'rest'"]


def test_a_recording_of_version_1_is_read_as_ever(make_content: MakeContent) -> None:
    content = make_content()
    with open_recording(Path(__file__).parent / "data" / "version-1.h5") as recording:
        assert recording.header == content.header
        assert recording.holds(content.counts)
        assert recording.events == content.events
        assert (recording.report, recording.content_sha256) == (None, "")
