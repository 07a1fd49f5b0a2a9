"""What an activity does to a simulated body, and how the body gets there.

Every quantity moves exponentially from where it stood towards what the activity asks for, and starts to move at the
exact sample at which the activity changes. A trajectory is therefore a closed formula of the sample index: nothing
depends on how often or in what portions it is looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acquire.boards.person import Person

__all__ = ["EFFECTS", "UNKNOWN", "Effect", "State", "Trajectory"]

Array = NDArray[np.float64]


class Effect(NamedTuple):
    """What an activity asks of the body.

    Attributes:
        effort: share of the way from the resting to the highest heart rate.
        hrv: factor on the resting variation of RR.
        breath_hz: rate of breathing.
        breath_depth: depth of a breath against one at rest.
        muscle_uv: root mean square of muscle noise at an electrode.
        wander_uv: root mean square of slow baseline wander at an electrode.
        burst_uv: size of irregular movement bursts.
        cadence_hz: pace of a rhythmic movement; 0 for none.
        motion_uv: amplitude of its artefact.
        hum: factor on mains hum, which grows when cables move.
        turn_deg: how far posture turns the heart in the frontal plane.
        where: share of RA, LA, LL in muscle noise and artefacts.
    """

    effort: float
    hrv: float
    breath_hz: float
    breath_depth: float
    muscle_uv: float
    wander_uv: float
    burst_uv: float
    cadence_hz: float
    motion_uv: float
    hum: float
    turn_deg: float
    where: tuple[float, float, float]


_ALL = (1.0, 1.0, 1.0)
_ARMS = (1.2, 1.2, 0.35)
_LEGS = (0.6, 0.6, 1.2)

# fmt: off
EFFECTS: dict[str, Effect] = {
    #                 effort   hrv    breath    muscle wander burst   movement      hum  turn  where
    "rest":     Effect(0.00,  1.00,  0.22, 1.0,   3.0,   25,     4,   0.00,   0,    1.0,  0.0, _ALL),
    "lie":      Effect(-.03,  1.10,  0.20, 1.0,   2.5,   20,     3,   0.00,   0,    1.0, -3.0, _ALL),
    "sit":      Effect(0.03,  0.95,  0.24, 1.0,   4.0,   35,     8,   0.00,   0,    1.0,  2.0, _ALL),
    "stand":    Effect(0.10,  0.80,  0.25, 1.0,   7.0,   45,    14,   0.00,   0,    1.1,  6.0, _LEGS),
    "type":     Effect(0.06,  0.85,  0.25, 1.0,  13.0,   40,    18,   0.00,   0,    1.2,  2.0, _ARMS),
    "eat":      Effect(0.09,  0.80,  0.27, 1.1,  16.0,   55,    35,   1.20,  20,    1.2,  2.0, _ARMS),
    "dress":    Effect(0.20,  0.60,  0.30, 1.2,  26.0,  110,    85,   0.50,  90,    1.5,  5.0, _ARMS),
    "arms":     Effect(0.18,  0.60,  0.32, 1.3,  32.0,  130,    75,   0.55, 180,    1.5,  5.0, _ARMS),
    "sweep":    Effect(0.27,  0.45,  0.36, 1.4,  24.0,   90,    60,   0.80,  90,    1.5,  6.0, _ARMS),
    "walk":     Effect(0.25,  0.45,  0.38, 1.4,  14.0,   70,    45,   1.80,  70,    1.4,  6.0, _LEGS),
    "climb":    Effect(0.48,  0.25,  0.50, 1.8,  22.0,   90,    60,   1.55,  95,    1.4,  6.0, _LEGS),
    "squats":   Effect(0.46,  0.25,  0.50, 1.8,  26.0,  160,    70,   0.42, 200,    1.4,  7.0, _LEGS),
    "exercise": Effect(0.55,  0.18,  0.55, 1.9,  20.0,   80,    50,   1.20,  60,    1.3,  4.0, _LEGS),
    "jog":      Effect(0.58,  0.15,  0.60, 2.0,  30.0,  100,    65,   2.50,  95,    1.6,  6.0, _ALL),
    "run":      Effect(0.70,  0.12,  0.68, 2.2,  38.0,  120,    90,   2.75, 125,    1.7,  6.0, _ALL),
    "recover":  Effect(0.20,  0.50,  0.42, 1.7,   7.0,   60,    14,   0.00,   0,    1.0,  2.0, _ALL),
}
# fmt: on
UNKNOWN = EFFECTS["stand"]
"""For a rest between steps, and for an activity that only the script defines: awake, upright, and at ease."""


class State(NamedTuple):
    """The body at some samples; every field has the shape (n,) unless it says otherwise.

    Attributes:
        effort: share of the way from the resting to the highest heart rate.
        hrv: factor on the resting variation of RR.
        breath_depth: depth of a breath against one at rest.
        wander_mv: root mean square of baseline wander.
        hum: factor on mains hum.
        turn_rad: turn of the heart by posture.
        breath_cycles: breaths since sample 0.
        cadence_cycles: movement cycles since sample 0.
        muscle_mv: at each electrode, shape (3, n).
        burst_mv: at each electrode, shape (3, n).
        motion_mv: at each electrode, shape (3, n).
    """

    effort: Array
    hrv: Array
    breath_depth: Array
    wander_mv: Array
    hum: Array
    turn_rad: Array
    breath_cycles: Array
    cadence_cycles: Array
    muscle_mv: Array
    burst_mv: Array
    motion_mv: Array


# One row per quantity: effort, hrv, breath_hz, breath_depth, wander, hum, turn, cadence_hz, 3 × muscle, burst, motion.
_BREATH, _CADENCE = 2, 7
_MUSCLE, _BURST, _MOTION = slice(8, 11), slice(11, 14), slice(14, 17)
_TAU_S = np.array([30.0, 8.0, 12.0, 12.0, 0.6, 0.6, 1.0, 0.6, *[0.4] * 9])
_TAU_EFFORT_DOWN_S = 45.0


class Trajectory:
    """The body's state over the samples, given which activity began where.

    It begins at rest. Telling it of an activity never changes the state at an earlier sample.

    Args:
        person: whose body it is.
        rate_hz: samples per second.
    """

    def __init__(self, person: Person, rate_hz: float) -> None:
        self._person = person
        self._rate_hz = rate_hz
        rest = self._target(EFFECTS["rest"], np.zeros(17))
        self._starts = np.array([0], dtype=np.int64)
        self._from = rest[:, None]
        self._to = rest[:, None]
        self._tau_s = _TAU_S[:, None]
        self._cycles = np.zeros((2, 1))  # breaths and movement cycles at the start of each piece

    @property
    def pieces(self) -> int:
        """How many stretches of one activity there are so far; it grows with every change."""
        return len(self._starts)

    @property
    def last_start(self) -> int:
        """Where the latest activity began."""
        return int(self._starts[-1])

    def tell(self, activity: str, index: int) -> None:
        """Let ``activity`` begin at sample ``index``, which must not lie before the activity told last."""
        piece = np.array([len(self._starts) - 1])
        values, cycles = self._at(np.array([index]), piece)
        target = self._target(EFFECTS.get(activity, UNKNOWN), values[:, 0])
        tau_s = _TAU_S.copy()
        if target[0] < values[0, 0]:
            tau_s[0] = _TAU_EFFORT_DOWN_S
        self._starts = np.append(self._starts, index)
        self._from = np.hstack([self._from, values])
        self._to = np.hstack([self._to, target[:, None]])
        self._tau_s = np.hstack([self._tau_s, tau_s[:, None]])
        self._cycles = np.hstack([self._cycles, cycles])

    def state(self, indices: NDArray[np.int64]) -> State:
        """Say how the body is at the given samples, shape (n,)."""
        piece = np.maximum(np.searchsorted(self._starts, indices, side="right") - 1, 0)
        values, cycles = self._at(indices, piece)
        return State(
            effort=values[0],
            hrv=values[1],
            breath_depth=values[3],
            wander_mv=values[4],
            hum=values[5],
            turn_rad=values[6],
            breath_cycles=cycles[0],
            cadence_cycles=cycles[1],
            muscle_mv=values[_MUSCLE],
            burst_mv=values[_BURST],
            motion_mv=values[_MOTION],
        )

    def _at(self, indices: NDArray[np.int64], piece: NDArray[np.int64]) -> tuple[Array, Array]:
        since_s = (indices - self._starts[piece]) / self._rate_hz
        target, gap, tau_s = self._to[:, piece], self._from[:, piece] - self._to[:, piece], self._tau_s[:, piece]
        fade = np.exp(-since_s / tau_s)
        # The integral of a rate that fades towards its target: cycles done since the piece began.
        rows = [_BREATH, _CADENCE]
        done = target[rows] * since_s + gap[rows] * tau_s[rows] * (1.0 - fade[rows])
        return target + gap * fade, self._cycles[:, piece] + done

    def _target(self, effect: Effect, now: Array) -> Array:
        person, where = self._person, np.array(effect.where)
        # Without a rhythm the pace stays what it was, and only its artefact fades.
        cadence = effect.cadence_hz * person.cadence if effect.cadence_hz > 0 else now[_CADENCE]
        return np.concatenate(
            [
                [
                    min(effect.effort * person.effort, 1.0),
                    effect.hrv,
                    effect.breath_hz * person.breath,
                    effect.breath_depth,
                    effect.wander_uv * 1e-3 * person.motion,
                    effect.hum,
                    np.deg2rad(effect.turn_deg),
                    cadence,
                ],
                where * (effect.muscle_uv * 1e-3 * person.muscle),
                where * (effect.burst_uv * 1e-3 * person.motion),
                where * (effect.motion_uv * 1e-3 * person.motion),
            ]
        )
