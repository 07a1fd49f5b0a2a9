from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import GAIN_MV, JournalMaker, a_header, ecg_counts
from waiting import wait_until

from acquire.recorder.launch import prepare, start_recorder
from acquire.recordings.recording import open_recording
from acquire.study import Study
from acquire.viewer import feed as feed_module
from acquire.viewer.display_filter import MONITOR_FILTER, CausalFilter, DisplayFilter
from acquire.viewer.feed import JournalFeed

SCRIPT = """
title = "Short"
[[steps]]
activity = "rest"
instruction = "Sit still."
duration_s = 20
repeat = 2
rest_s = 2
[[steps]]
activity = "jog"
instruction = "Jog."
duration_s = 20
"""


@contextmanager
def fed(journal: Path, **wishes: Any) -> Iterator[JournalFeed]:
    feed = JournalFeed(journal, **wishes)
    feed.start()
    try:
        yield feed
    finally:
        feed.close()


def filtered(values: np.ndarray, *, rate_hz: float = 250.0, wanted: DisplayFilter = MONITOR_FILTER) -> np.ndarray:
    return CausalFilter(wanted, rate_hz=rate_hz, mains_hz=50, n_leads=values.shape[1]).push(values)


def leads_of(counts: np.ndarray) -> np.ndarray:
    """I, II and III of two channels."""
    one, two = (counts * GAIN_MV).T
    return np.stack([one, two, two - one], axis=1)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "short.toml"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


def test_a_feed_waits_for_its_journal_shows_it_and_stays_calm_when_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    counts, crests = ecg_counts(2500)
    with fed(path) as feed:
        assert not feed.state.opened
        assert feed.window(10).values.shape == (0, 0)
        assert feed.overview().edges.tolist() == [0]
        maker = JournalMaker(path)
        maker.samples(counts)
        wait_until(lambda: feed.state.stop == 2500)
        wait_until(lambda: feed.state.caught_up)
        state = feed.state
        assert (state.leads, state.unit, state.rate_hz) == (("I", "II", "III"), "mV", 250.0)
        assert state.header["header"]["mains_hz"] == 50
        assert state.newest_ns > 0
        assert (state.closed, state.over, state.fault) == (False, False, "")
        maker.close()
        wait_until(lambda: feed.state.over)
        path.unlink()
        assert feed.state.closed
        assert feed.state.fault == ""
        window = feed.window(4)
        assert window.start == 1500
        np.testing.assert_allclose(window.values, filtered(leads_of(counts))[1500:], atol=1e-4)
        expected = crests[(crests >= 1500) & (crests < 2375)]
        assert np.abs(window.beats[: len(expected)] - expected).max() <= 2
        assert feed.overview().edges[-1] == 2500
        feed.set_filter(DisplayFilter(low_hz=None, high_hz=None, notch=False))
        wait_until(lambda: feed.window(4).values.max() > 250)
        np.testing.assert_allclose(feed.window(4).values, leads_of(counts)[1500:], rtol=1e-6, atol=1e-6)
    assert feed.window(4).values.shape == (1000, 3)


def test_gaps_are_gaps_and_what_follows_begins_settled(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    counts, _ = ecg_counts(1000)
    maker = JournalMaker(path)
    maker.samples(counts)
    maker.lose(250)
    maker.samples(counts + 1_000_000)
    maker.event("gap", 1000, text="the radio was jammed")
    maker.lose(10)
    maker.samples(counts[:100])
    maker.close()
    with fed(path) as feed:
        wait_until(lambda: feed.state.over)
        assert [(gap.start, gap.length) for gap in feed.gaps()] == [(1000, 250), (2250, 10)]
        assert feed.gaps()[0].cause == "the radio was jammed"
        assert "lost on the way" in feed.gaps()[1].cause
        assert feed.events() == ()
        assert feed.gaps() is feed.gaps()
        values = feed.window(35).values
        assert np.flatnonzero(np.isnan(values).all(axis=1)).tolist() == [*range(1000, 1250), *range(2250, 2260)]
        np.testing.assert_allclose(values[1250:2250], filtered(leads_of(counts + 1_000_000)), atol=1e-4)
        overview = feed.overview()
        assert overview.edges[-1] == 2360
        assert (overview.valid * np.diff(overview.edges)).sum() == pytest.approx(2100)
        assert np.nanmax(overview.high) < 2.0


def test_late_to_a_long_journal_a_feed_catches_up_and_keeps_only_what_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    counts, _ = ecg_counts(250 * 1800)
    maker = JournalMaker(path)
    maker.samples(counts, size=25)
    with fed(path, keep_s=12.0) as feed:
        wait_until(lambda: feed.state.caught_up)
        assert feed.state.stop == len(counts)
        wait_until(lambda: feed.overview().edges[-1] == len(counts))
        window = feed.window(1000)
        assert window.values.shape == (3000, 3)
        np.testing.assert_allclose(window.values, filtered(leads_of(counts))[-3000:], atol=1e-3)
        assert len(window.beats) == pytest.approx(12, abs=1)
        assert len(feed.overview().valid) <= 4096
        maker.samples(counts[:30])
        wait_until(lambda: feed.state.stop == len(counts) + 30)
    maker.writer.release()


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(40.0, 1), (250.0, 16), (16000.0, 3)])
def test_boards_of_all_rates_and_widths_are_shown(tmp_path: Path, rate_hz: float, n_channels: int) -> None:
    path = tmp_path / "a.journal"
    counts, _ = ecg_counts(round(6 * rate_hz), n_channels=n_channels, rate_hz=rate_hz)
    maker = JournalMaker(path, a_header(n_channels=n_channels, rate_hz=rate_hz))
    maker.samples(counts, size=max(1, round(rate_hz / 80)))
    maker.close()
    with fed(path) as feed:
        wait_until(lambda: feed.state.over)
        window = feed.window(5)
        assert window.values.shape == (5 * rate_hz, n_channels + (n_channels > 1))
        assert np.isfinite(window.values).all()
        assert np.abs(window.values).max() < 15


def test_a_channel_that_gives_no_numbers_leaves_the_other_leads_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    samples = np.full((500, 2), 3.0, dtype=np.float32)
    samples[100:110, 1] = [np.nan, np.inf, -np.inf, 3e38, np.nan, 1, 1, 1, np.nan, np.inf]
    header = a_header(dtype="float32", unit="count")
    maker = JournalMaker(path, header)
    maker.samples(samples)
    maker.close()
    with fed(path) as feed:
        wait_until(lambda: feed.state.over)
        assert feed.state.unit == "count"
        values = feed.window(10).values
        assert np.isfinite(values[:, 0]).all()
        assert np.flatnonzero(np.isnan(values[:, 1])).tolist() == [100, 101, 102, 103, 104, 108, 109]


@pytest.mark.parametrize("content", [b"", b"garbage that is no journal at all", b"tlJ1\x01", b"\0" * 1000, None])
def test_what_is_no_journal_is_told_and_waited_for(
    tmp_path: Path, content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "FAULT_AFTER_S", 0.05)
    monkeypatch.setattr(feed_module, "DAMAGE_POLL_S", 0.02)
    path = tmp_path / "a.journal"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with fed(path) as feed:
        wait_until(lambda: feed.state.fault)
        assert "a.journal" in feed.state.fault
        assert not feed.state.opened
        if content is not None:
            path.unlink()
            wait_until(lambda: feed.state.fault == "")
            maker = JournalMaker(path)
            maker.samples(ecg_counts(30)[0])
            wait_until(lambda: feed.state.stop == 30)
            maker.writer.release()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_journals_place_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "FAULT_AFTER_S", 0.05)
    path = tmp_path / "a.journal"
    os.mkfifo(path)
    with fed(path) as feed:
        wait_until(lambda: "is not a file" in feed.state.fault)


@pytest.mark.parametrize(
    "change",
    [
        {"channels": [{"name": "ch0"}]},
        {"channels": [{"name": "ch0", "unit": "mV", "gain": float(10**300), "offset": 0.0}] * 2},
        {"header": {}},
        {"header": {"nominal_rate_hz": -1, "mains_hz": 50, "montage": {"I": {"ch0": 1.0}}}},
        {"header": {"nominal_rate_hz": 250, "mains_hz": 50, "montage": {}}},
        {"header": {"nominal_rate_hz": 250, "mains_hz": 50, "montage": {"I": {"ch9": 1.0}}}},
        {"header": {"nominal_rate_hz": 10**400, "mains_hz": 50, "montage": {"I": {"ch0": 1.0}}}},
        {"header": "text"},
    ],
)
def test_a_header_that_cannot_be_shown_is_told(
    tmp_path: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "FAULT_AFTER_S", 0.0)
    maker = JournalMaker(tmp_path / "a.journal", {**a_header(), **change})
    with fed(tmp_path / "a.journal") as feed:
        wait_until(lambda: "the HEADER lacks what is needed" in feed.state.fault)
    maker.writer.release()


def test_chunks_that_cannot_follow_one_another_end_the_feed_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    maker = JournalMaker(path)
    maker.samples(ecg_counts(30)[0])
    maker.index -= 10
    maker.samples(ecg_counts(30)[0])
    with fed(path) as feed:
        wait_until(lambda: feed.state.over)
        assert "a chunk at sample 20 follows sample 30" in feed.state.fault
        assert feed.state.stop == 30
    maker.writer.release()


def test_damage_is_told_and_what_came_before_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    maker = JournalMaker(path)
    maker.samples(ecg_counts(300)[0])
    maker.close()
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    with fed(path) as feed:
        wait_until(lambda: feed.state.fault)
        assert "does not match its checksum" in feed.state.fault
        wait_until(lambda: feed.state.over)
        assert 0 < feed.state.stop < 300
        assert not feed.state.closed


def test_a_torn_record_that_the_writer_takes_back_does_not_hide_what_it_writes_instead(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    maker = JournalMaker(path)
    maker.samples(ecg_counts(30)[0])
    with fed(path) as feed:
        wait_until(lambda: feed.state.stop == 30)
        length = path.stat().st_size
        with path.open("ab") as file:
            file.write(b"tlJ1" + b"\x02\0\0\0\x00\x10\0\0" + b"x" * 400)
        wait_until(lambda: not feed.state.fault and feed.state.caught_up)
        os.truncate(path, length)
        maker.close()
        wait_until(lambda: feed.state.closed)


def test_steps_rests_and_pauses_become_bands(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    maker = JournalMaker(path)
    maker.samples(ecg_counts(1000)[0])
    course: list[tuple[str, int, str, str]] = [
        ("start", 0, "", "Own"), ("step", 0, "rest", "Sit."), ("mark", 50, "rest", "cough"), ("pause", 100, "rest", ""),
        ("resume", 150, "rest", ""), ("repeat", 200, "rest", ""), ("step", 200, "rest", "Sit."),
        ("rest", 400, "", "Wait."),
        ("pause", 450, "", "why"), ("resume", 470, "", ""), ("skip", 500, "", ""), ("step", 500, "jog", "Jog."),
    ]  # fmt: skip
    for kind, index, activity, text in course:
        maker.event(kind, index, step=1, activity=activity, text=text)
    with fed(path) as feed:
        wait_until(lambda: len(feed.events()) == len(course))
        bands = [(band.start, band.stop, band.kind, band.activity, band.text) for band in feed.bands()]
        assert bands == [
            (0, 100, "step", "rest", "Sit."),
            (100, 150, "pause", "rest", ""),
            (150, 200, "step", "rest", "Sit."),
            (200, 400, "step", "rest", "Sit."),
            (400, 450, "rest", "", "Wait."),
            (450, 470, "pause", "", "why"),
            (470, 500, "rest", "", "Wait."),
            (500, None, "step", "jog", "Jog."),
        ]
        assert feed.bands() is feed.bands()
        maker.event("stop", 900, step=1)
        maker.writer.append_event({"kind": "step", "index": "nonsense"})
        maker.close()
        wait_until(lambda: feed.state.closed)
        assert feed.bands()[-1].stop == 900


def test_many_threads_ask_while_another_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    counts, _ = ecg_counts(30_000)
    truth = filtered(leads_of(counts))
    maker = JournalMaker(path)
    wrong: list[str] = []
    done = threading.Event()

    def ask(feed: JournalFeed) -> None:
        while not done.is_set():
            window = feed.window(3)
            stop = window.start + len(window.values)
            if len(window.values) and not np.allclose(window.values, truth[window.start : stop], atol=1e-3):
                wrong.append(f"window at {window.start}")
            seen = feed.overview()
            if not len(seen.edges) == len(seen.low) + 1 == len(seen.valid) + 1:
                wrong.append("overview")
            feed.bands(), feed.events(), feed.gaps()

    with fed(path) as feed:
        askers = [threading.Thread(target=ask, args=(feed,)) for _ in range(2)]
        for asker in askers:
            asker.start()
        maker.samples(counts, size=20)
        wait_until(lambda: feed.state.stop == len(counts))
        done.set()
        for asker in askers:
            asker.join()
    maker.writer.release()
    assert wrong == []


@pytest.mark.parametrize("speed", ["max", "4"])
def test_what_is_shown_of_a_real_recording_is_what_the_journal_holds(study: Study, script: str, speed: str) -> None:
    config = prepare(study, subject="S01", board=f"sim:?speed={speed}&drop=1000:25", protocol=script)
    with fed(Path(config.journal)) as feed:
        recorder = start_recorder(config)
        if speed == "4":
            wait_until(lambda: feed.state.stop > 1500)
            assert not feed.state.closed
            assert recorder.stop()
        summary = recorder.result()
        wait_until(lambda: feed.state.over)
        assert feed.state.closed
        assert not recorder.journal.exists()
        with open_recording(summary.path) as recording:
            values = recording.signal(list(feed.state.leads), 1025, recording.n_samples)
            kinds = [event.kind for event in recording.events if event.kind != "gap"]
        n_rows = min(1250, len(values))
        np.testing.assert_allclose(feed.window(n_rows / 250).values, filtered(values)[-n_rows:], atol=2e-3)
        assert [event.kind for event in feed.events()] == kinds
        assert [(gap.start, gap.length) for gap in feed.gaps()] == [(1000, 25)]
        assert feed.state.stop == summary.n_samples


def test_a_recorder_that_is_killed_leaves_what_was_shown(study: Study, script: str) -> None:
    config = prepare(study, subject="S01", board="sim:?speed=2", protocol=script)
    with fed(Path(config.journal)) as feed:
        recorder = start_recorder(config)
        wait_until(lambda: feed.state.stop > 250)
        recorder.process.kill()
        wait_until(lambda: feed.state.over)
        assert not feed.state.closed
        assert feed.state.fault == ""
        assert feed.window(1).values.shape == (250, 3)
        recorder.process.wait()
        assert recorder.process.stdout is not None
        recorder.process.stdout.close()
        recorder._complaints.close()


def test_closing_before_the_start_and_twice_is_fine(tmp_path: Path) -> None:
    feed = JournalFeed(tmp_path / "a.journal")
    feed.close()
    feed.close()
