import builtins
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lsl_lab import CONFIG, loopback_lsl
from numpy.typing import NDArray
from waiting import wait_until

from acquire.boards.board import BoardInfo, Channel, Chunk
from acquire.boards.lsl import LslBoard
from acquire.errors import RecorderError, RecorderErrorReason
from acquire.recorder.outlet import EVENT_STREAM, SIGNAL_STREAM, LslOutlet, StampLine
from acquire.recordings.content import Header, RecordedEvent

RATE_HZ = 250
INFO = BoardInfo(
    address="sim:",
    name="a board of tests",
    firmware="",
    nominal_rate_hz=float(RATE_HZ),
    channels=(
        Channel(name="I", unit="mV", gain=0.5e-3, offset=-7.0),
        Channel(name="II", unit="mV", gain=0.5e-3),
        Channel(name="breath", unit="adu", gain=1.0),
    ),
    montage={"I": {"I": 1.0}, "II": {"II": 1.0}},
    dtype="int32",
    loss_detection="exact",
)
HEADER = Header(
    recording_id="4f3f9f6e-2a64-4b0e-9d05-6b1a5a7d2c11",
    subject="S01",
    session="02",
    run=3,
    started_at="2026-01-01T00:00:00+00:00",
    board="sim:",
    nominal_rate_hz=float(RATE_HZ),
    mains_hz=50,
    factors={},
    protocol_name="walk",
    protocol_sha256="",
    montage={"I": {"I": 1.0}, "II": {"II": 1.0}, "both": {"I": 0.5, "II": -2.0}},
    software_version="1",
)


def counts(start: int, stop: int) -> NDArray[np.int32]:
    """Rows that tell their index: in microvolts of the second channel, half of it."""
    index = np.arange(start, stop, dtype=np.int32)
    return np.stack([-index, index, 3 * index], axis=1)


def chunk(start: int, stop: int, began_ns: int) -> Chunk:
    return Chunk(samples=counts(start, stop), index=start, host_ns=began_ns + stop * 1_000_000_000 // RATE_HZ, cause="")


def event(index: int, kind: str = "mark", activity: str = "", text: str = "") -> RecordedEvent:
    return RecordedEvent(uuid=f"{index}", index=index, host_ns=0, kind=kind, step=0, activity=activity, text=text)


@pytest.fixture
def header() -> Header:
    loopback_lsl()
    return replace(HEADER, recording_id=f"{os.urandom(4).hex()}{HEADER.recording_id[8:]}")


@pytest.fixture
def outlet(header: Header) -> Iterator[LslOutlet]:
    with LslOutlet(INFO, header) as outlet:
        yield outlet


def inlet_of(source_id: str) -> Any:
    lsl = loopback_lsl()
    (stream,) = lsl.resolve_byprop("source_id", source_id, 1, 10.0)
    inlet = lsl.StreamInlet(stream, recover=False, as_numpy=True)
    inlet.open_stream(10.0)
    return inlet


def pull(inlet: Any, n_rows: int) -> tuple[Any, NDArray[np.float64]]:
    rows, stamps = inlet.pull_chunk(20.0, n_rows)
    assert len(stamps) == n_rows
    return rows, stamps


def test_a_minute_arrives_whole_in_physical_units_and_every_marker_at_its_sample(
    outlet: LslOutlet, header: Header
) -> None:
    samples, markers = inlet_of(header.recording_id), inlet_of(f"{header.recording_id}-events")
    began_ns = time.monotonic_ns() - 60_000_000_000
    marked = [0, 1, 500, 7777, 14_999]
    for start in range(0, 15_000, 3):
        outlet.push(chunk(start, start + 3, began_ns))
        for index in marked:
            if start <= index < start + 3:
                outlet.event(event(index, "step", "walk", ""))
    rows, stamps = pull(samples, 15_000)
    index = np.arange(15_000)
    assert rows.dtype == np.float32
    assert np.allclose(rows[:, 0], (7.0 - index) * 0.5)
    assert np.allclose(rows[:, 1], index * 0.5)
    assert np.allclose(rows[:, 2], 3 * index)
    assert np.allclose(np.diff(stamps), 1 / RATE_HZ, rtol=0.02)
    texts, times = pull(markers, len(marked))
    assert [text.decode() for (text,) in texts] == ["step:walk"] * len(marked)
    assert np.abs(np.searchsorted(stamps, times - 0.5 / RATE_HZ) - marked).max() <= 1


def test_the_stamps_are_the_arrival_by_liblsls_clock_and_a_gap_is_a_hole_in_them(
    outlet: LslOutlet, header: Header
) -> None:
    samples = inlet_of(header.recording_id)
    now_ns, local_s = time.monotonic_ns(), loopback_lsl().local_clock()
    began_ns = now_ns - 10 * 1_000_000_000
    for start in (*range(0, 1000, 10), *range(1500, 2500, 10)):
        outlet.push(chunk(start, start + 10, began_ns))
    _, stamps = pull(samples, 2000)
    due_s = local_s + ((began_ns - now_ns) * 1e-9) + (1 + np.r_[0:1000, 1500:2500]) / RATE_HZ
    assert np.abs(stamps - due_s).max() < 0.002


def test_an_outlet_can_be_recorded_by_trileads_own_inlet_sample_for_sample(outlet: LslOutlet, header: Header) -> None:
    board = LslBoard(f"lsl:?source_id={header.recording_id}")
    info = board.open()
    assert info.montage == HEADER.montage
    assert [(one.name, one.unit) for one in info.channels] == [("I", "mV"), ("II", "mV"), ("breath", "adu")]
    board.start()
    wait_until(outlet.have_consumers)
    began_ns = time.monotonic_ns() - 12_000_000_000
    for start in (*range(0, 1000, 5), *range(1001, 2001, 5), *range(2601, 3001, 5)):
        outlet.push(chunk(start, start + 5, began_ns))
    got: dict[int, float] = {}
    limit_s = time.monotonic() + 30.0
    while len(got) < 2400 and time.monotonic() < limit_s:
        piece = board.read(0.1)
        if piece is not None:
            got.update((piece.index + row, float(volts)) for row, volts in enumerate(piece.samples[:, 1]))
    board.close()
    assert sorted(got) == [*range(1000), *range(1001, 2001), *range(2601, 3001)]
    assert all(volts == index * 0.5 for index, volts in got.items())


def test_the_description_tells_units_montage_and_recording(outlet: LslOutlet, header: Header) -> None:
    described = inlet_of(header.recording_id).info(10.0)
    assert (described.name(), described.type()) == (SIGNAL_STREAM, "ECG")
    assert described.get_channel_labels() == ["I", "II", "breath"]
    assert described.get_channel_units() == ["microvolts", "microvolts", "adu"]
    recording = described.desc().child("recording")
    assert [recording.child_value(name) for name in ("subject", "session", "run")] == ["S01", "02", "3"]
    lead = described.desc().child("montage").child("lead").next_sibling().next_sibling()
    assert lead.child_value("label") == "both"
    assert lead.child("channel").next_sibling().child_value("weight") == "-2.0"
    events = inlet_of(f"{header.recording_id}-events").info(10.0)
    assert (events.name(), events.type()) == (EVENT_STREAM, "Markers")


def test_events_before_the_first_samples_wait_for_them_and_texts_go_along(outlet: LslOutlet, header: Header) -> None:
    markers, samples = inlet_of(f"{header.recording_id}-events"), inlet_of(header.recording_id)
    outlet.event(event(0, "start"))
    outlet.event(event(0, "note", "", "coffee: none"))
    assert markers.pull_chunk(0.2, 10)[1].size == 0
    outlet.push(chunk(0, 10, time.monotonic_ns()))
    texts, times = pull(markers, 2)
    _, stamps = pull(samples, 10)
    assert [text.decode() for (text,) in texts] == ["start", "note::coffee: none"]
    assert np.allclose(times, stamps[0])


def test_the_last_samples_and_events_still_leave_when_it_is_closed(header: Header) -> None:
    outlet = LslOutlet(INFO, header)
    samples, markers = inlet_of(header.recording_id), inlet_of(f"{header.recording_id}-events")
    wait_until(outlet.have_consumers)
    with ThreadPoolExecutor(2) as pool:
        last_rows, last_marker = pool.submit(pull, samples, 500), pool.submit(pull, markers, 1)
        outlet.push(chunk(0, 500, time.monotonic_ns()))
        outlet.event(event(500, "end"))
        outlet.close()
        assert last_rows.result()[0][-1, 1] == 499 * 0.5
        assert last_marker.result()[0][0, 0] == b"end"
    outlet.close()
    outlet.push(chunk(500, 510, time.monotonic_ns()))
    outlet.event(event(510))
    assert outlet.fault == "The LSL streams are closed."


STUCK = """
import sys, pylsl
pylsl.set_config_content(sys.argv[1])
(stream,) = pylsl.resolve_byprop("source_id", sys.argv[2], 1, 60.0)
inlet = pylsl.StreamInlet(stream)
inlet.open_stream(20.0)
print("listening", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process and leave it standing")
def test_a_consumer_that_hangs_delays_nothing(header: Header) -> None:
    outlet = LslOutlet(INFO, header)
    config = CONFIG.format(session=os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, config, header.recording_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == b"listening\n"
        listener.send_signal(signal.SIGSTOP)
        began_ns, longest_s = time.monotonic_ns(), 0.0
        for start in range(0, 600_000, 300):
            before_s = time.monotonic()
            outlet.push(chunk(start, start + 300, began_ns))
            longest_s = max(longest_s, time.monotonic() - before_s)
        before_s = time.monotonic()
        outlet.close()
        closed_s = time.monotonic() - before_s
        listener.kill()
    assert outlet.fault == "The LSL streams are closed."
    assert longest_s < 0.5
    assert closed_s < 4.0


def test_a_stream_that_breaks_ends_the_streams_and_nothing_else(
    outlet: LslOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("an internal error has occurred.")

    monkeypatch.setattr(outlet._signal, "push_chunk", broken)
    outlet.push(chunk(0, 10, time.monotonic_ns()))
    outlet.push(chunk(10, 20, time.monotonic_ns()))
    outlet.event(event(10))
    assert outlet.fault == (
        "The LSL streams have ended (an internal error has occurred.); the recording goes on without them."
    )


def test_a_missing_pylsl_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pylsl(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "pylsl":
            raise ModuleNotFoundError("No module named 'pylsl'", name="pylsl")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_pylsl)
    with pytest.raises(RecorderError, match=r"needs the Python package pylsl; .*trilead\[lsl\]\.$") as caught:
        LslOutlet(INFO, HEADER)
    assert caught.value.reason is RecorderErrorReason.NOT_STARTED


def stamped(arrivals_s: NDArray[np.float64], n_rows: int, *, rate_hz: float = 250.0) -> NDArray[np.float64]:
    line = StampLine(rate_hz)
    return np.concatenate([line.stamps(k * n_rows, n_rows, float(at)) for k, at in enumerate(arrivals_s)])


def test_jittery_arrival_makes_regular_stamps_that_follow_a_drifting_clock() -> None:
    random = np.random.default_rng(1)
    due_s = 100 + (np.arange(20_000) + 1) * 0.012 * (1 + 200e-6)
    stamps = stamped(due_s + random.exponential(0.008, len(due_s)), 3)
    assert np.abs(np.diff(stamps) * 250 - 1).max() <= StampLine.SLEW + 1e-6
    assert np.abs(stamps[2::3] - due_s)[500:].max() < 0.003


@pytest.mark.parametrize("speed", [0.1, 10.0, 1e6])
def test_stamps_of_a_board_that_does_not_run_in_real_time_ascend_with_the_arrival(speed: float) -> None:
    due_s = 100 + (np.arange(3000) + 1) * 0.012 / speed
    stamps = stamped(due_s, 3)
    assert np.all(np.diff(stamps) > 0)
    assert np.abs(stamps[2::3] - due_s)[300:].max() < 2 * StampLine.WINDOW_S / speed + StampLine.JUMP_S + 0.01


def test_samples_that_a_suspended_computer_held_back_do_not_move_the_stamps_for_good() -> None:
    due_s = 100 + (np.arange(3000) + 1) * 0.012
    arrivals_s = np.maximum(due_s, np.where((due_s > 110) & (due_s < 111.5), 111.5, 0.0))
    stamps = stamped(arrivals_s, 3)
    assert np.abs(stamps[2::3] - due_s).max() < 0.005
