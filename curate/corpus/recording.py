"""One recording's share of a corpus: looked over first, so that splits can be made, and cut into windows afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquire.recordings.recording import Recording, open_recording
from acquire.study import Study
from curate.beats.peaks import Beats, find_r_peaks
from curate.beats.rhythm import heart_rate
from curate.corpus.beat_windows import BEFORE_R_S, beat_spans
from curate.corpus.windows import ActivityRange, Keep, Spans, WindowGrid, activity_ranges, choose_windows, take
from curate.errors import CorpusError
from curate.labels.layer import Label, Layer
from curate.labels.layers import MergedLabels, merge_labels, open_layers, write_protocol_layer
from curate.quality.assess import Grade, assess
from curate.quality.lead_swap import suspect_swaps
from curate.signals.resample import Prepared, grid_for, prepare
from curate.splits.content_prints import content_prints

__all__ = ["CutRecording", "CutSettings", "Survey", "cut_recording", "survey_recording"]

SCALES = ("none", "recording-p98")
_SCALE_PERCENTILE = 98.0


@dataclass(frozen=True, kw_only=True)
class CutSettings:
    """How every recording of a corpus is treated.

    Attributes:
        leads: the corpus's leads, in order.
        rate_hz: samples per second of the windows.
        n_samples: samples in a window.
        n_hop: samples from one window's start to the next one's.
        band_hz: corners of the cleaning.
        settle_s: what the filter does not vouch for at each end of a run.
        scale: one of ``SCALES``.
        layers: take only these annotators' layers; None takes all.
        keep: which windows are wanted.
        n_beats: beats in a window that is cut by beats; 0 cuts by length.
        hop_beats: from one such window's first beat to the next one's; ``n_hop`` then has no say.
    """

    leads: tuple[str, ...]
    rate_hz: float
    n_samples: int
    n_hop: int
    band_hz: tuple[float, float]
    settle_s: float
    scale: str
    layers: tuple[str, ...] | None
    keep: Keep = field(default_factory=Keep)
    n_beats: int = 0
    hop_beats: int = 1


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is known of a recording before its samples are looked at.

    Attributes:
        path: the file.
        recording: its name.
        subject: its subject.
        session: its session.
        factors: factor → level.
        started_at: when it was begun, UTC, ISO 8601.
        leads: every lead it can give.
        measured_leads: those that carry what was measured.
        unit: of its leads.
        rate_hz: its true rate.
        n_samples: raw samples, gaps included.
        n_valid: raw samples that are real.
        activities: activities that its layers name.
        layers: annotator and SHA-256 of each layer that has a say.
        ranges: the stretches that could give windows.
    """

    path: Path
    recording: str
    recording_id: str
    subject: str
    session: str
    factors: dict[str, str]
    started_at: str
    leads: tuple[str, ...]
    measured_leads: tuple[str, ...]
    unit: str
    rate_hz: float
    n_samples: int
    n_valid: int
    activities: tuple[str, ...]
    layers: tuple[tuple[str, str], ...]
    ranges: tuple[tuple[int, int, str], ...]

    def window_grid(self, settings: CutSettings) -> WindowGrid:
        """Where windows stand in the recording, before any is refused."""
        grid = grid_for(self.rate_hz, settings.rate_hz)
        return WindowGrid.of(grid, self.n_samples, n_samples=settings.n_samples, n_hop=settings.n_hop)

    def activity_ranges(self, settings: CutSettings) -> list[ActivityRange]:
        """The stretches that could give windows that are wanted, with the grid on which these would stand."""
        grid = self.window_grid(settings)
        wanted = self.activities if settings.keep.activities is None else settings.keep.activities
        return [
            ActivityRange(
                recording=self.recording,
                recording_id=self.recording_id,
                subject=self.subject,
                session=self.session,
                factors=self.factors,
                started_at=self.started_at,
                activity=activity,
                start=start,
                stop=stop,
                rate_hz=self.rate_hz,
                grid=grid,
            )
            for start, stop, activity in self.ranges
            if activity in wanted
        ]


@dataclass(frozen=True, kw_only=True)
class CutRecording:
    """The windows of one recording, and where everything in them came from.

    Attributes:
        windows: shape (n, n_leads, n_samples), float32.
        lead_ok: shape (n, n_leads).
        lead_quality: shape (n, n_leads), ``Grade`` of each lead; the lowest where the recording has no such lead.
        columns: the numeric and text columns of the table that differ from window to window, each of shape (n,).
        excluded: reason → windows not kept.
        source: provenance, as it is stored.
        prints: name → array; see ``curate.splits.content_prints``.
    """

    windows: NDArray[np.float32]
    lead_ok: NDArray[np.bool_]
    lead_quality: NDArray[np.uint8]
    columns: dict[str, NDArray[Any]]
    excluded: dict[str, int]
    source: dict[str, Any]
    prints: dict[str, NDArray[Any]]


def survey_recording(study: Study, path: Path, layers: Sequence[str] | None, *, settle_s: float) -> Survey:
    """Open a recording and its layers, writing the protocol's layer if it is not there yet, and say what it could give.

    Raises:
        RecordingError: the file is damaged.
        LayerError: a layer is damaged or belongs elsewhere.
        CorpusError: its leads are in different units.
    """
    with open_recording(path) as recording:
        write_protocol_layer(study, recording)
        found = open_layers(study, recording, only=layers)
        merged = merge_labels(_labels(found), recording.n_samples)
        used = {channel for weights in recording.header.montage.values() for channel in weights}
        units = sorted({channel.unit for channel in recording.channels if channel.name in used})
        if len(units) > 1:
            raise CorpusError(
                f"its leads are in different units ({', '.join(units)}); mend the gains and units of its channels.",
                path=path,
                reason="units",
            )
        return Survey(
            path=path,
            recording=path.stem,
            recording_id=recording.header.recording_id,
            subject=recording.header.subject,
            session=recording.header.session,
            factors=dict(recording.header.factors),
            started_at=recording.header.started_at,
            leads=recording.leads,
            measured_leads=recording.measured_leads,
            unit=recording.unit,
            rate_hz=recording.rate_hz,
            n_samples=recording.n_samples,
            n_valid=int(sum(stop - start for start, stop in recording.valid)),
            activities=merged.activities,
            layers=_digests(found),
            ranges=tuple(activity_ranges(merged, _settled(recording.valid, settle_s, recording.rate_hz))),
        )


def _settled(valid: NDArray[np.int64], settle_s: float, rate_hz: float) -> NDArray[np.int64]:
    """What is left of runs of real samples when both ends are cut off that cleaning will not vouch for.

    Splits share out only what can give windows; else an activity that ends a recording would come off badly.
    """
    settle = int(np.ceil(settle_s * rate_hz))
    inner: NDArray[np.int64] = valid + np.array([settle, -settle], dtype=np.int64)
    longer: NDArray[np.bool_] = inner[:, 1] > inner[:, 0]
    return inner[longer]


def cut_recording(study: Study, survey: Survey, settings: CutSettings) -> CutRecording:
    """Clean a recording, find its beats, grade it, and cut its windows.

    Raises:
        CorpusError: its layers changed since it was surveyed, or its values cannot be stored.
        RecordingError: the samples are damaged on disk.
        CleaningError: the filters cannot do what was asked.
    """
    with open_recording(survey.path) as recording:
        found = open_layers(study, recording, only=settings.layers)
        if _digests(found) != survey.layers or recording.header.recording_id != survey.recording_id:
            raise CorpusError(
                "the recording or its labels were changed while the corpus was built; build again.", path=survey.path
            )
        merged = merge_labels(_labels(found), recording.n_samples)
        leads = tuple(lead for lead in settings.leads if lead in recording.leads)
        prepared = prepare(
            recording, rate_hz=settings.rate_hz, leads=leads, band_hz=settings.band_hz, settle_s=settings.settle_s
        )
        counts = recording.counts()
        return _cut(recording, survey, settings, prepared, merged, counts)


def _cut(
    recording: Recording,
    survey: Survey,
    settings: CutSettings,
    prepared: Prepared,
    merged: MergedLabels,
    counts: NDArray[Any],
) -> CutRecording:
    values, reliable = prepared.signal.values, prepared.signal.reliable
    beats = find_r_peaks(prepared.cleaned, raw=prepared.raw)
    spans, excluded = _lay_windows(recording, settings, prepared, beats)
    quality = assess(prepared.cleaned, raw=prepared.raw, beats=beats)
    grades = quality.grades_between(spans.raw_start, spans.raw_stop)
    cut = choose_windows(spans, merged, recording.valid, reliable, values, grades, keep=settings.keep)
    scale = _scale(values[reliable], settings.scale, survey.path)

    windows = np.zeros((cut.activity.size, len(settings.leads), settings.n_samples), dtype=np.float32)
    lead_ok = np.zeros(windows.shape[:2], dtype=np.bool_)
    lead_quality = np.full(windows.shape[:2], Grade.UNUSABLE, dtype=np.uint8)
    places = [settings.leads.index(lead) for lead in prepared.signal.leads]
    windows[:, places] = take(values / scale, cut, settings.n_samples)
    lead_ok[:, places] = cut.lead_ok
    lead_quality[:, places] = cut.lead_quality
    start, stop = cut.spans.raw_start, cut.spans.raw_stop
    return CutRecording(
        windows=windows,
        lead_ok=lead_ok,
        lead_quality=lead_quality,
        columns={
            "activity": np.array(merged.activities, dtype=object)[cut.activity],
            "start": start,
            "stop": stop,
            "quality": _worst_in_use(lead_quality, lead_ok),
            "artefact": cut.artefact,
            "heart_rate": heart_rate(beats, start, stop, recording.rate_hz),
            "length": (cut.spans.stop - cut.spans.start).astype(np.int32),
        },
        excluded=excluded | cut.excluded,
        source={
            "recording": survey.recording,
            "recording_id": survey.recording_id,
            "sha256": recording.sha256(),
            "signal_sha256": hashlib.sha256(np.ascontiguousarray(counts).data).hexdigest(),
            "layers": [{"annotator": annotator, "sha256": digest} for annotator, digest in survey.layers],
            "subject": survey.subject,
            "session": survey.session,
            "board": recording.header.board,
            "source": recording.header.source,
            "protocol": recording.header.protocol_name,
            "leads": list(prepared.signal.leads),
            "unit": survey.unit,
            "rate_hz": survey.rate_hz,
            "seconds": survey.n_valid / survey.rate_hz,
            "scale": scale,
            "n_beats": int(beats.samples.size),
            "n_windows": int(cut.activity.size),
            "steps": [dict(step) for step in (*prepared.signal.steps, beats.step, quality.step)],
            "lead_swap": suspect_swaps(prepared.cleaned, beats),
        },
        prints=content_prints(counts, beats, recording.rate_hz),
    )


def _lay_windows(
    recording: Recording, settings: CutSettings, prepared: Prepared, beats: Beats
) -> tuple[Spans, dict[str, int]]:
    """Where windows would stand, by length or by beats, and how many of the latter cannot even be tried."""
    grid = WindowGrid.of(prepared.grid, recording.n_samples, n_samples=settings.n_samples, n_hop=settings.n_hop)
    if not settings.n_beats:
        return grid.spans(), {}
    return beat_spans(
        grid,
        beats.samples,
        beats.rejected,
        rate_hz=recording.rate_hz,
        n_beats=settings.n_beats,
        hop_beats=settings.hop_beats,
        n_before=round(BEFORE_R_S * settings.rate_hz),
    )


def _worst_in_use(lead_quality: NDArray[np.uint8], lead_ok: NDArray[np.bool_]) -> NDArray[Any]:
    """Each window's grade in words: that of its worst lead, of those that are not masked."""
    words = np.array([grade.name.lower() for grade in Grade], dtype=object)
    worst = np.where(lead_ok, lead_quality, Grade.GOOD).min(axis=1, initial=Grade.GOOD)
    graded: NDArray[Any] = words[worst]
    return graded


def _labels(layers: Sequence[Layer]) -> list[Label]:
    return [label for layer in layers for label in layer.labels()]


def _digests(layers: Sequence[Layer]) -> tuple[tuple[str, str], ...]:
    return tuple((layer.annotator, layer.sha256()) for layer in layers)


def _scale(trusted: NDArray[np.float64], scale: str, path: Path) -> float:
    """What a recording's values are divided by."""
    if scale == "none" or not trusted.size:
        return 1.0
    spread = float(np.percentile(np.abs(trusted - np.median(trusted)), _SCALE_PERCENTILE))
    if not (np.isfinite(spread) and spread > 0):
        raise CorpusError(
            "nothing moves in the recording, so that its amplitude cannot be scaled; remove it from the study.",
            path=path,
        )
    return spread
