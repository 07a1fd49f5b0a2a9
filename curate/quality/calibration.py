"""The limits between good, doubtful and unusable, and how they were found.

Ten people with a wearable sensor were graded by annotators every two seconds with an artefact degree: 1 little or none,
2 and 3 artefacts through which beats can be read, 4 beats lost. Degree 1 is taken for good, 2 and 3 for doubtful, 4 for
unusable. On subjects 01, 03, 05, 07 and 09 (1532 rows) each index was given the two limits, among its own quantiles,
that agree best with the annotators (Cohen's kappa, linear weights). A second index was then fitted on top of the best
one, each subject in turn being judged by limits found on the other four:

- The shape residual alone agrees best by far (0.68; the same when every subject is judged by the others). Its limits
  lie on a plateau: 0.15 to 0.16 with anything from 0.8 to 1.2 differ by less than 0.01.
- No second index made agreement rise on a subject it was not fitted to; most made it fall, by up to 0.2. So kSQI, pSQI,
  basSQI, the rhythm and the template correlation are computed and kept beside the grade, and have no say in it.
- bSQI and the share on a rail guard against what the residual cannot see: detectors that see different beats, and a
  board that cuts every beat alike. Their limits are set, not fitted, and were checked not to lower agreement.
- Missing and flat samples do not occur in these recordings' rows: their limits are set, and unchecked.

``python -m benchmarks.quality`` shows the agreement on both halves; the other half was not looked at in finding these.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CALIBRATED", "Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where the grades of ``curate.quality.assess`` meet.

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
"""For windows of two seconds; see the top of this file."""
