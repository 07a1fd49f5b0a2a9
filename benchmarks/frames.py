"""What showing a recording costs: ``python -m benchmarks.frames``.

Three things are measured. What a frame of the traces takes, beside the plainest pyqtgraph program that plots the same
samples, one frame of each in turn. How old a sample is when it has been painted, from an emulated Cyton through a
recorder process and its journal. And whether the memory of a process that shows hours of a recording grows.

Where no screen is named (``QT_QPA_PLATFORM``), windows are painted into memory. It leaves with 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from acquire.app import theme
from acquire.app.overview_strip import OverviewStrip
from acquire.app.trace_view import TraceView
from acquire.recorder.launch import prepare, start_recorder
from acquire.study import Study
from acquire.viewer.feed import FeedState, JournalFeed, TraceWindow
from acquire.viewer.timeline import FeedEvent, FeedGap, StepBand, Timeline
from benchmarks.recorders import EmulatedCyton, Meter, ended, long_protocol, wait_for_samples
from benchmarks.simulated import simulate
from protocols.errors import TrileadError

__all__ = ["Film", "FrameCost", "Memory", "ScreenLatency", "frame_cost", "memory", "screen_latency"]

RATE_HZ = 250
SPAN_S = 10.0
SIZE = (1920, 1080)
PER_FRAME = 6
FRAME_MS = 20
STRIP_MS = 400
WARM_UP_FRAMES = 20
SHORT_RATIO, LONG_RATIO = 1.25, 1.5
SCREEN_P95_MS = 60.0
GROWTH_MB = 20.0
LONG_S = 7200.0


class Film:
    """Shows made samples as a feed would, a few more for each frame.

    Args:
        values: mV, shape (n, 3), shown again from the beginning where they end.
        beats: their R peaks.
        behind_s: how long the recording has run already: steps of a minute, a mark every ten seconds, a loss every
            twenty, and a pause every ten minutes.
    """

    def __init__(self, values: NDArray[np.float32], beats: NDArray[np.int64], *, behind_s: float) -> None:
        self._values, self._beats = values, beats
        self._stop = round(behind_s * RATE_HZ)
        self._timeline = Timeline()
        for second in range(round(behind_s) + 1):
            self._happen(second)

    def advance(self, n_samples: int) -> None:
        """Let more samples come, and what happens meanwhile."""
        before, self._stop = self._stop, self._stop + n_samples
        for second in range(before // RATE_HZ + 1, self._stop // RATE_HZ + 1):
            self._happen(second)

    def _happen(self, second: int) -> None:
        index = second * RATE_HZ
        if second % 60 == 0:
            self._tell("step", index, step=second // 60 + 1, activity="sitting")
        if second % 600 == 590:
            self._tell("pause", index)
        if second % 600 == 595:
            self._tell("resume", index)
        if second % 10 == 4:
            self._tell("mark", index, text="electrode touched")
        if second % 20 == 7:
            self._timeline.take_gap(index, RATE_HZ // 2)

    def _tell(self, kind: str, index: int, *, step: int = 1, activity: str = "", text: str = "") -> None:
        event = {"uuid": f"{kind}-{index}", "index": index, "kind": kind, "step": step}
        self._timeline.take_event({**event, "activity": activity, "text": text})

    @property
    def state(self) -> FeedState:
        """As a feed that is well."""
        leads = ("I", "II", "III")
        return FeedState(opened=True, leads=leads, unit="mV", rate_hz=float(RATE_HZ), stop=self._stop, caught_up=True)

    def window(self, span_s: float) -> TraceWindow:
        """The last seconds."""
        start = max(0, self._stop - round(span_s * RATE_HZ))
        indices = np.arange(start, self._stop)
        values = self._values[indices % len(self._values)]
        for gap in reversed(self.gaps()):
            if gap.start + gap.length <= start:
                break
            values[max(0, gap.start - start) : max(0, gap.start + gap.length - start)] = np.nan
        beats = np.flatnonzero(np.isin(indices % len(self._values), self._beats)) + start
        return TraceWindow(start=start, values=values, beats=beats.astype(np.int64))

    def bands(self) -> tuple[StepBand, ...]:
        """Of the recording so far."""
        return self._timeline.bands

    def gaps(self) -> tuple[FeedGap, ...]:
        """Of the recording so far."""
        return self._timeline.gaps

    def events(self) -> tuple[FeedEvent, ...]:
        """Of the recording so far."""
        return self._timeline.events


class HeldFilm(Film):
    """A film whose window is made when it is told to: making the samples is no part of showing them."""

    def hold(self, span_s: float) -> NDArray[np.float32]:
        """Make the window that is handed out from now on; returns its values."""
        self._held = super().window(span_s)
        return self._held.values

    def window(self, span_s: float) -> TraceWindow:
        """The one that was made last."""
        return self._held


class PlainPlot:
    """The least that shows three leads with pyqtgraph: a plot, three curves, `setData`."""

    def __init__(self) -> None:
        self.widget = pyqtgraph.PlotWidget(background="w")
        self.widget.resize(*SIZE)
        self.widget.setXRange(-SPAN_S, 0.0, padding=0)
        self.widget.setYRange(-7.0, 2.0, padding=0)
        pen = pyqtgraph.mkPen("k", width=1)
        self._curves = [self.widget.plot(pen=pen) for _lead in range(3)]

    def show_values(self, values: NDArray[np.float32]) -> None:
        """One frame."""
        seconds = (np.arange(len(values)) - len(values)) / RATE_HZ
        for lead, curve in enumerate(self._curves):
            curve.setData(seconds, values[:, lead] - 2.5 * lead)
        self.widget.viewport().repaint()


@dataclass(frozen=True, kw_only=True)
class FrameCost:
    """What a frame takes.

    Attributes:
        behind_s: how much had been recorded before.
        frames: of each of the two.
        ours_ms: median of refresh and paint.
        ours_p95_ms: what 95 of 100 keep below.
        plain_ms: median of the plainest plot.
        plain_p95_ms: likewise.
        ratio: of the medians.
    """

    behind_s: float
    frames: int
    ours_ms: float
    ours_p95_ms: float
    plain_ms: float
    plain_p95_ms: float
    ratio: float


def frame_cost(app: QApplication, *, behind_s: float, frames: int) -> FrameCost:
    """Draw one frame of ours and one of the plainest plot in turn."""
    signal, beats = simulate("S01", ["sitting"], seconds_each=60.0, rate_hz=RATE_HZ)
    values = (signal.values - np.median(signal.values, axis=0)).astype(np.float32)
    film = HeldFilm(values, beats, behind_s=behind_s)
    film.hold(SPAN_S)
    view, plain = TraceView(), PlainPlot()
    view.resize(*SIZE)
    view.show_feed(film)
    view.show()
    plain.widget.show()
    app.processEvents()
    ours_ms, plain_ms = [], []
    for frame in range(WARM_UP_FRAMES + frames):
        film.advance(PER_FRAME)
        shown = film.hold(SPAN_S)
        began = time.perf_counter()
        view.refresh()
        view.repaint()
        between = time.perf_counter()
        plain.show_values(shown)
        done = time.perf_counter()
        if frame >= WARM_UP_FRAMES:
            ours_ms.append(1e3 * (between - began))
            plain_ms.append(1e3 * (done - between))
    view.close()
    plain.widget.close()
    return FrameCost(
        behind_s=behind_s,
        frames=frames,
        ours_ms=float(np.median(ours_ms)),
        ours_p95_ms=float(np.quantile(ours_ms, 0.95)),
        plain_ms=float(np.median(plain_ms)),
        plain_p95_ms=float(np.quantile(plain_ms, 0.95)),
        ratio=float(np.median(ours_ms) / np.median(plain_ms)),
    )


class _WatchedView(TraceView):
    """Notes when it has painted which samples: (index behind the newest, monotonic ns)."""

    def __init__(self) -> None:
        super().__init__()
        self.painted: list[tuple[int, int]] = []

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        self.painted.append((self.shown_stop, time.monotonic_ns()))


@dataclass(frozen=True, kw_only=True)
class ScreenLatency:
    """From the board's writing of a sample to the end of the paint that first shows it.

    Attributes:
        n_samples: how many were followed.
        p50_ms: median.
        p95_ms: what 95 of 100 samples keep below.
        max_ms: the slowest.
        cpu_share: of one core, that the showing process took, the emulated board included.
    """

    n_samples: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    cpu_share: float


def screen_latency(app: QApplication, folder: Path, *, duration_s: float) -> ScreenLatency:
    """Record from an emulated Cyton in ``folder`` (an empty one), and watch.

    Raises:
        TrileadError: nothing could be recorded.
        ValueError: no sample could be followed to the screen.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "frames.toml"
    script.write_text(long_protocol(duration_s + 60.0), encoding="utf-8")
    sent: dict[int, int] = {}
    with EmulatedCyton() as cyton:
        recorder = start_recorder(prepare(study, subject="S01", board=cyton.address, protocol=str(script)))
        with ended(recorder):
            wait_for_samples(recorder)
            feed, view = JournalFeed(recorder.journal), _WatchedView()
            feed.start()
            view.resize(*SIZE)
            view.show_feed(feed)
            view.show()
            _run_events(2.0, [(FRAME_MS, view.refresh)])
            view.painted.clear()
            meter = Meter(os.getpid())
            _run_events(duration_s, [(FRAME_MS, view.refresh), (200, lambda: sent.update(cyton.sent_ns()))])
            meter.look()
            sent.update(cyton.sent_ns())
            view.close()
            feed.close()
            recorder.stop()
            recorder.result()
    latencies_ms = [
        (painted_ns - sent[index]) / 1e6
        for (before, _ns), (stop, painted_ns) in zip(view.painted, view.painted[1:], strict=False)
        for index in range(before, stop)
        if index in sent
    ]
    if not latencies_ms:
        raise ValueError("no sample could be followed to the screen; measure for longer")
    p50, p95, most = np.quantile(latencies_ms, [0.5, 0.95, 1.0]).tolist()
    return ScreenLatency(n_samples=len(latencies_ms), p50_ms=p50, p95_ms=p95, max_ms=most, cpu_share=meter.cpu_share)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of the process that shows a long recording.

    Attributes:
        hours: of signal, as far as it came.
        speed: times real time.
        rss_begin_mb: after a tenth of it.
        rss_end_mb: at its end.
        growth_mb: from one to the other.
    """

    hours: float
    speed: float
    rss_begin_mb: float
    rss_end_mb: float
    growth_mb: float


def memory(app: QApplication, folder: Path, *, hours: float, speed: float) -> Memory:
    """Show a simulated recording of many hours that is made faster than real time.

    Raises:
        TrileadError: nothing could be recorded.
    """
    study = Study.create(folder / "study", mains_hz=50)
    script = folder / "frames.toml"
    total_s = hours * 3600.0
    script.write_text(long_protocol(total_s + 600.0), encoding="utf-8")
    board = f"sim:?speed={speed:g}&rate={RATE_HZ}"
    recorder = start_recorder(prepare(study, subject="S01", board=board, protocol=str(script)))
    with ended(recorder):
        wait_for_samples(recorder)
        feed, view, strip = JournalFeed(recorder.journal), TraceView(), OverviewStrip()
        feed.start()
        view.resize(*SIZE)
        strip.resize(SIZE[0], 84)
        for widget in (view, strip):
            widget.show_feed(feed)
            widget.show()
        timers = [(FRAME_MS, view.refresh), (STRIP_MS, strip.refresh)]
        limit_s = time.monotonic() + 3.0 * total_s / speed + 60.0
        meter: Meter | None = None
        while feed.state.stop < total_s * RATE_HZ and time.monotonic() < limit_s and not feed.state.fault:
            _run_events(0.5, timers)
            if meter is None and feed.state.stop >= 0.1 * total_s * RATE_HZ:
                meter = Meter(os.getpid())
        meter = meter or Meter(os.getpid())
        meter.look()
        shown_s = feed.state.stop / RATE_HZ
        view.close()
        strip.close()
        feed.close()
        recorder.stop()
        recorder.result()
    return Memory(
        hours=shown_s / 3600.0,
        speed=speed,
        rss_begin_mb=meter.rss_begin_mb,
        rss_end_mb=meter.rss_mb,
        growth_mb=meter.rss_mb - meter.rss_begin_mb,
    )


def _run_events(duration_s: float, every: Iterable[tuple[int, object]]) -> None:
    """Let the windows live for a while, with (milliseconds, what to do) again and again."""
    loop, timers = QEventLoop(), []
    for interval_ms, job in every:
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(job)
        timer.start(interval_ms)
        timers.append(timer)
    QTimer.singleShot(round(duration_s * 1000), loop.quit)
    loop.exec()
    for timer in timers:
        timer.stop()


@dataclass(kw_only=True)
class Figures:
    """All that was measured, and which bounds were broken."""

    frames: list[FrameCost] = field(default_factory=list)
    latency: ScreenLatency | None = None
    memory: Memory | None = None
    faults: list[str] = field(default_factory=list)


def _table(figures: Figures) -> Table:
    table = Table("what", "figure", "bound")
    for cost in figures.frames:
        bound = LONG_RATIO if cost.behind_s > SPAN_S else SHORT_RATIO
        what = f"frame, {cost.behind_s:g} s behind it"
        table.add_row(what, f"{cost.ours_ms:.2f} ms : {cost.plain_ms:.2f} ms = {cost.ratio:.2f}", f"{bound:.2f}")
    if figures.latency is not None:
        found = figures.latency
        words = f"p50 {found.p50_ms:.1f}, p95 {found.p95_ms:.1f}, max {found.max_ms:.1f} ms"
        table.add_row("sample to screen", words, f"p95 {SCREEN_P95_MS:.0f} ms")
    if figures.memory is not None:
        kept = figures.memory
        words = f"{kept.rss_begin_mb:.0f} → {kept.rss_end_mb:.0f} MB"
        table.add_row(f"memory over {kept.hours:.2f} h", words, f"+{GROWTH_MB:.0f} MB")
    return table


def main() -> int:
    """Measure; 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=400, help="frames of each kind")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch samples; 0 for not at all")
    parser.add_argument("--hours", type=float, default=4.0, help="simulated hours for memory; 0 for not at all")
    parser.add_argument("--speed", type=float, default=60.0, help="times real time, for memory")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures here")
    arguments = parser.parse_args()
    console = Console()
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    theme.apply("light")
    figures = Figures()
    try:
        for behind_s, bound in ((SPAN_S, SHORT_RATIO), (LONG_S, LONG_RATIO)):
            cost = frame_cost(app, behind_s=behind_s, frames=arguments.frames)
            figures.frames.append(cost)
            if cost.ratio > bound:
                figures.faults.append(f"a frame takes {cost.ratio:.2f} times the plainest plot's, above {bound}")
        if arguments.seconds > 0:
            with tempfile.TemporaryDirectory() as folder:
                figures.latency = screen_latency(app, Path(folder), duration_s=arguments.seconds)
            if figures.latency.p95_ms > SCREEN_P95_MS:
                figures.faults.append(f"p95 from sample to screen is {figures.latency.p95_ms:.1f} ms")
        if arguments.hours > 0:
            with tempfile.TemporaryDirectory() as folder:
                figures.memory = memory(app, Path(folder), hours=arguments.hours, speed=arguments.speed)
            if figures.memory.growth_mb > GROWTH_MB:
                figures.faults.append(f"memory grew by {figures.memory.growth_mb:.0f} MB")
            if figures.memory.hours < 0.99 * arguments.hours:
                figures.faults.append(f"only {figures.memory.hours:.2f} of {arguments.hours:g} hours were reached")
    except (TrileadError, ValueError, TimeoutError) as error:
        console.print(str(error), markup=False)
        return 1
    console.print(_table(figures))
    for fault in figures.faults:
        console.print(fault, markup=False)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
    return int(bool(figures.faults))


if __name__ == "__main__":
    sys.exit(main())
