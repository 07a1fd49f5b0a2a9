"""Each of five leaks is planted many times, at places and in forms drawn anew, and must be found each time."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import signal as dsp
from small_study import made_up_content, made_up_study, write_content

from acquire.boards.board import Channel
from acquire.boards.heart import Heart
from acquire.recordings.recording import open_recording
from acquire.study import Study
from curate.beats.peaks import find_r_peaks
from curate.corpus.build import build_corpus
from curate.errors import LeakError
from curate.importers import import_paths
from curate.signals.clean import clean
from curate.signals.signal import Signal
from curate.splits.beat_matches import shared_beats
from curate.splits.content_prints import content_prints
from curate.splits.leakage import check_shared_contents, check_split

Prints = dict[str, np.ndarray]
N_PEOPLE = 12
SECONDS = 90
RATE_HZ = 250


@dataclass(frozen=True)
class Take:
    """What a board recorded: counts, shape (n, channels), and their rate."""

    counts: np.ndarray
    rate_hz: float


@cache
def take(person: int, session: str = "01") -> Take:
    """A simulated person who rests, walks and rests again."""
    heart = Heart(person=f"planted {person}", session=session, seed=person, rate_hz=RATE_HZ)
    third = SECONDS * RATE_HZ // 3
    parts = []
    for number, activity in enumerate(("rest", "walk", "rest")):
        heart.tell(activity, number * third)
        parts.append(np.stack(heart.generate(third), axis=1))
    return Take(np.round(np.concatenate(parts) / 0.0005).astype(np.int32), float(RATE_HZ))


def prints_of(one: Take) -> Prints:
    raw = Signal(
        values=one.counts.astype(float),
        leads=tuple(f"CH{number}" for number in range(one.counts.shape[1])),
        rate_hz=one.rate_hz,
        unit="adu",
    )
    return content_prints(one.counts, find_r_peaks(clean(raw, mains_hz=50), raw=raw), one.rate_hz)


@pytest.fixture(scope="module")
def crowd() -> dict[str, Prints]:
    """Recordings of people who have nothing to do with one another, two of them in two sessions."""
    people = {f"sub-{person:02d}": prints_of(take(person)) for person in range(N_PEOPLE)}
    return people | {f"sub-{person:02d}-again": prints_of(take(person, "02")) for person in range(2)}


def accused(prints: dict[str, Prints]) -> str:
    """What the check of contents says, all digests being different; "" where it says nothing."""
    try:
        check_shared_contents({name: name for name in prints}, prints)
    except LeakError as error:
        return str(error)
    return ""


# 1: overlap


@pytest.mark.parametrize("seed", range(40))
def test_two_sides_that_overlap_by_any_number_of_samples_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = table(rng)
    sides = rng.permutation(np.repeat([1, 2, 3], 40)).astype(np.uint8)
    check_split("honest", rows, sides, {"kind": "random"})
    early, late = (int(rng.choice(np.flatnonzero(sides == side))) for side in rng.permutation([1, 2, 3])[:2])
    rows.loc[late, ["recording", "subject", "session"]] = rows.loc[early, ["recording", "subject", "session"]]
    shared = int(rng.integers(1, 750))
    rows.loc[late, "start"] = rows.loc[early, "stop"] - shared
    rows.loc[late, "stop"] = rows.loc[late, "start"] + 750
    with pytest.raises(LeakError, match=f"in recording {rows.loc[early, 'recording']} .* share raw samples"):
        check_split("planted", rows, sides, {"kind": "random"})


# 2: the same recording twice


@pytest.mark.parametrize("seed", range(20))
def test_a_recording_that_was_imported_twice_is_found(seed: int, crowd: dict[str, Prints]) -> None:
    rng = np.random.default_rng(seed)
    digests = {name: f"sha {name}" for name in crowd}
    check_shared_contents(digests, {})
    twice = str(rng.choice(list(crowd)))
    with pytest.raises(LeakError, match=rf"{twice} and zz-copy hold the very same samples"):
        check_shared_contents(digests | {"zz-copy": digests[twice]}, crowd | {"zz-copy": crowd[twice]})


# 3: a copy that begins and ends elsewhere


@pytest.mark.parametrize("seed", range(20))
def test_a_copy_that_was_shifted_and_cropped_is_found(seed: int, crowd: dict[str, Prints]) -> None:
    rng = np.random.default_rng(seed)
    person = int(rng.integers(N_PEOPLE))
    counts = take(person).counts
    length = int(rng.integers(15, 60)) * RATE_HZ
    begin = int(rng.integers(1, len(counts) - length))
    strange = np.round(rng.standard_normal((int(rng.integers(0, 5_000)), 2)) * 50).astype(np.int32)
    copy = np.concatenate([strange, counts[begin : begin + length]])
    assert f"sub-{person:02d} and zz-copy share stretches of the very same samples" in accused(
        crowd | {"zz-copy": prints_of(Take(copy, RATE_HZ))}
    )


# 4: a copy at another rate


def resampled(one: Take, rate_hz: float) -> Take:
    ratio = Fraction(rate_hz / one.rate_hz).limit_denominator(1_000)
    values = dsp.resample_poly(one.counts, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    return Take(np.round(values).astype(np.int32), one.rate_hz * ratio.numerator / ratio.denominator)


def noisy(one: Take, rng: np.random.Generator) -> Take:
    """White noise 20 dB below the signal."""
    spread = np.std(dsp.detrend(one.counts, axis=0), axis=0)
    noise = rng.standard_normal(one.counts.shape) * spread / 10
    return replace(one, counts=np.round(one.counts + noise).astype(np.int32))


def notched(one: Take, rng: np.random.Generator) -> Take:
    b, a = dsp.iirnotch(50, 30, fs=one.rate_hz)
    return replace(one, counts=np.round(dsp.filtfilt(b, a, one.counts, axis=0)).astype(np.int32))


def causally_filtered(one: Take, rng: np.random.Generator) -> Take:
    sos = dsp.butter(2, (0.5, 40), btype="bandpass", fs=one.rate_hz, output="sos")
    return replace(one, counts=np.round(dsp.sosfilt(sos, one.counts, axis=0)).astype(np.int32))


def cropped(one: Take, rng: np.random.Generator) -> Take:
    length = int(rng.integers(45, 75) * one.rate_hz)
    begin = int(rng.integers(0, len(one.counts) - length))
    return replace(one, counts=one.counts[begin : begin + length])


CHANGES: dict[str, Callable[[Take, np.random.Generator], Take]] = {
    "as it is": lambda one, rng: one,
    "other gain": lambda one, rng: replace(one, counts=np.round(one.counts * rng.uniform(0.1, 5)).astype(np.int32)),
    "offset": lambda one, rng: replace(one, counts=one.counts + int(rng.integers(1, 10_000))),
    "upside down": lambda one, rng: replace(one, counts=-one.counts),
    "leads swapped": lambda one, rng: replace(one, counts=one.counts[:, ::-1]),
    "one lead": lambda one, rng: replace(one, counts=one.counts[:, 1:]),
    "noise": noisy,
    "notch": notched,
    "causal filter": causally_filtered,
    "cropped": cropped,
    "a rate that is told 0.5 % wrong": lambda one, rng: replace(one, rate_hz=one.rate_hz * 1.005),
}
RATES_HZ = (125.0, 200.0, 256.0, 360.0, 500.0, 1000.0)


@pytest.mark.parametrize("change", CHANGES)
def test_a_resampled_copy_is_found_at_every_rate_whatever_else_was_done_to_it(
    change: str, crowd: dict[str, Prints]
) -> None:
    rng = np.random.default_rng([*change.encode()])
    for rate_hz in RATES_HZ:
        person = int(rng.integers(N_PEOPLE))
        copy = CHANGES[change](resampled(take(person), rate_hz), rng)
        assert f"sub-{person:02d} and zz-copy hold the same signal, resampled" in accused(
            crowd | {"zz-copy": prints_of(copy)}
        ), rate_hz


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_with_everything_done_to_it_at_once_is_found(seed: int, crowd: dict[str, Prints]) -> None:
    rng = np.random.default_rng(seed)
    person = int(rng.integers(N_PEOPLE))
    copy = resampled(take(person), float(rng.choice(RATES_HZ[1:])))
    for change in ("cropped", "other gain", "upside down", "notch", "noise"):
        copy = CHANGES[change](copy, rng)
    assert f"sub-{person:02d} and zz-copy" in accused(crowd | {"zz-copy": prints_of(copy)})


# 5: a recording on both sides


def table(rng: np.random.Generator, n: int = 120) -> pd.DataFrame:
    """Windows of 2 subjects in 2 sessions with 3 recordings each; no two share a sample."""
    place = rng.permutation(n)
    start = np.arange(n) * 750
    recording = place % 12
    return pd.DataFrame(
        {
            "recording": [f"r{number:02d}" for number in recording],
            "subject": [f"S{number // 6}" for number in recording],
            "session": [f"{number // 3 % 2}" for number in recording],
            "electrode": ["gel" if number // 3 % 2 else "dry" for number in recording],
            "activity": "rest",
            "start": start,
            "stop": start + 750,
        }
    )


KINDS: dict[str, tuple[dict[str, Any], Callable[[pd.DataFrame], pd.Series]]] = {
    "across-sessions": ({}, lambda rows: rows["session"] == "1"),
    "across-factor": ({"apart": [["electrode"], ["recording"]]}, lambda rows: rows["electrode"] == "gel"),
    "unseen-subjects": ({"apart": [["subject"], ["recording"]]}, lambda rows: rows["subject"] == "S1"),
    "fixed": ({"apart": [["recording"]]}, lambda rows: rows["recording"].str[1:].astype(int) % 3 == 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_on_both_sides_of_a_split_that_keeps_recordings_apart_is_found(kind: str) -> None:
    more, is_tested = KINDS[kind]
    info = {"kind": kind, "tasks": ["activity"], **more}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = table(rng)
        sides = np.where(is_tested(rows), 3, np.where(rng.random(len(rows)) < 0.2, 2, 1)).astype(np.uint8)
        check_split("honest", rows, sides, info)
        planted = int(rng.choice(np.flatnonzero(sides == 3)))
        sides[planted] = rng.integers(1, 3)
        with pytest.raises(LeakError, match="is trained and tested"):
            check_split("planted", rows, sides, info)


def test_a_recording_whose_windows_claim_two_sessions_is_found() -> None:
    rows = table(np.random.default_rng(0))
    sides = np.where(rows["session"] == "1", 3, np.arange(len(rows)) % 2 + 1).astype(np.uint8)
    row = int(np.flatnonzero(sides == 1)[0])
    rows.loc[row, "recording"] = rows.loc[np.flatnonzero(sides == 3)[0], "recording"]
    with pytest.raises(LeakError, match=r"recording r\d+ is trained and tested"):
        check_split("planted", rows, sides, {"kind": "across-sessions"})


# nobody is accused who shares nothing


def test_people_who_share_nothing_are_not_accused(crowd: dict[str, Prints]) -> None:
    assert accused(crowd) == ""


def test_real_people_are_not_accused_and_their_resampled_copies_are(wearable_data: Path, tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", mains_hz=50)
    files = [
        wearable_data / f"{who:02d}" / f"{who:02d}_02_{activity}.csv.gz"
        for who in range(1, 11)
        for activity in ("klud", "beh")
    ]
    import_paths(study, files)
    takes = {}
    for path in study.recordings():
        with open_recording(path) as recording:
            takes[path.stem] = Take(recording.counts(), recording.rate_hz)
    prints = {name: prints_of(one) for name, one in takes.items()}
    assert len(prints) == 20
    assert accused(prints) == ""
    copies = {f"{name} copied": prints_of(resampled(one, 250.0)) for name, one in takes.items()}
    found = {(match.one, match.other) for match in shared_beats(prints | copies)}
    assert found == {(name, f"{name} copied") for name in takes}


def beats_at(times_s: np.ndarray) -> Prints:
    return {"samples": np.zeros(0, dtype=np.uint64), "beats_us": np.round(times_s * 1e6).astype(np.int64)}


N_HEARTS, N_BEATS = 100, 250
NUMBER = np.arange(N_BEATS)
RHYTHMS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "all at one constant rate": lambda rng: np.full(N_BEATS, 60 / 72),
    "constant, on a grid of 4 ms": lambda rng: np.diff(np.round(np.arange(N_BEATS + 1) * 250 * 60 / 71) / 250),
    "breathing to one metronome": lambda rng: (
        0.85 + 0.05 * rng.random() + 0.04 * np.sin(0.6 * NUMBER + 6.3 * rng.random()) + 0.004 * noise(rng)
    ),
    "every second beat early": lambda rng: (0.8 + 0.1 * rng.random()) * (1 + 0.3 * (-1) ** NUMBER) + 0.008 * noise(rng),
    "irregular": lambda rng: np.clip(0.7 * (1 + 0.2 * noise(rng)), 0.3, 2),
    "hardly varying": lambda rng: 0.8 * (1 + 0.005 * noise(rng)),
    "rising to one exercise": lambda rng: 0.9 - 0.4 * (1 - np.exp(-NUMBER / 70)) + 0.003 * noise(rng),
    "one missed beat each": lambda rng: np.where(NUMBER == 125, 1.66, 0.83) + 0.01 * noise(rng),
}


def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(N_BEATS)


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_hearts_of_one_kind_of_rhythm_are_not_taken_for_one_another(rhythm: str) -> None:
    rng = np.random.default_rng(5)
    hearts = {f"h{number:03d}": beats_at(0.3 + np.cumsum(RHYTHMS[rhythm](rng))) for number in range(N_HEARTS)}
    assert list(shared_beats(hearts)) == []


def test_two_boards_that_recorded_one_person_at_once_share_the_heart_beats(crowd: dict[str, Prints]) -> None:
    rng = np.random.default_rng(2)
    beats_s = 0.7 + np.cumsum(0.85 * (1 + 0.04 * rng.standard_normal(80)))
    boards = {}
    for name, rate_hz, lag_s, waves in (
        ("zz-chest", 250.0, 0.0, ((0.0, 1.2, 0.011), (0.25, 0.3, 0.05))),
        ("zz-wrist", 500.0, 7.3, ((-0.03, -0.2, 0.01), (0.0, 0.5, 0.014), (0.04, -0.4, 0.012), (0.3, 0.1, 0.04))),
    ):
        at_s = np.arange(0, 80, 1 / rate_hz) + lag_s
        ecg = sum(
            height * np.exp(-0.5 * ((at_s[:, None] - beats_s - centre) / width) ** 2).sum(axis=1)
            for centre, height, width in waves
        )
        counts = np.round((ecg + 0.03 * rng.standard_normal(at_s.size)) * 1_000).astype(np.int32)
        boards[name] = prints_of(Take(counts[:, None], rate_hz))
    assert "zz-chest and zz-wrist share the same heart beats, as when two boards" in accused(crowd | boards)


def test_prints_are_small_and_a_recording_without_beats_has_only_those_of_its_samples() -> None:
    one = take(0)
    hour = 3600 / SECONDS
    assert sum(values.nbytes for values in prints_of(one).values()) * hour < 300_000
    flat = Take(np.zeros((20_000, 2), dtype=np.int32), 250.0)
    assert list(prints_of(flat)) == ["samples"]
    assert accused({"a": prints_of(flat), "b": prints_of(flat)}) == ""
    assert accused({}) == ""
    floats = Take(np.where(one.counts > 2_000, np.nan, one.counts * 0.001), one.rate_hz)
    assert "beats_us" in content_prints(floats.counts, find_r_peaks(signal_of(one)), one.rate_hz)


def signal_of(one: Take) -> Signal:
    return clean(Signal(values=one.counts * 1.0, leads=("I", "II"), rate_hz=one.rate_hz, unit="adu"), mains_hz=50)


def test_a_resampled_copy_in_a_study_refuses_the_corpus_and_leaves_nothing(tmp_path: Path) -> None:
    study = made_up_study(tmp_path / "study", n_subjects=2, n_sessions=1, seconds=70)
    content = made_up_content(subject="S01", session="01", person=0, seconds=70)
    faster = resampled(Take(content.counts, 250.0), 500.0)
    copy = replace(
        content,
        header=replace(
            content.header,
            subject="S03",
            recording_id=str(uuid.UUID(int=9)),
            nominal_rate_hz=500.0,
            fitted_rate_hz=500.0,
        ),
        channels=tuple(Channel(name=f"CH{number}", unit="mV", gain=0.002) for number in (1, 2)),
        counts=faster.counts // 2,
        valid=np.array([[0, len(faster.counts)]]),
        events=tuple(replace(event, index=event.index * 2) for event in content.events),
    )
    write_content(study, copy)
    with pytest.raises(LeakError, match="sub-S01_ses-01_run-01 and sub-S03_ses-01_run-01 hold the same signal"):
        build_corpus(study)
    assert list(study.corpora_dir.glob("*.h5")) == []
