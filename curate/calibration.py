"""The limits between good, doubtful and unusable, and how they were found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CALIBRATED", "Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where the grades of ``curate.quality`` meet.

    Attributes:
        residual_good: a lead is good up to this shape residual.
        residual_unusable: it is unusable above this one.
        bsqi_good: good from this agreement of the detectors on.
        bsqi_unusable: unusable below this one.
        rail_good: good up to this share of samples on a rail.
        rail_unusable: unusable above this one.
        missing: unusable above this share of missing samples.
        flat: unusable above this share of samples that sit still.
    """

    residual_good: float
    residual_unusable: float
    bsqi_good: float
    bsqi_unusable: float
    rail_good: float
    rail_unusable: float
    missing: float
    flat: float


CALIBRATED = Limits(
    residual_good=0.15,
    residual_unusable=0.95,
    bsqi_good=0.5,
    bsqi_unusable=0.3,
    rail_good=0.05,
    rail_unusable=0.2,
    missing=0.05,
    flat=0.2,
)
