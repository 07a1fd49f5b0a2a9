"""Who a simulated heart belongs to, and where the electrodes sit today.

A person and a session are names. Each name is hashed into a seed, so that S01 has S01's heart in every study, and
session 02 puts the electrodes a little beside where session 01 had them.

The spread of every figure is ours, chosen inside the ranges of healthy adults: wide enough that people can be told
apart, and overlapping enough that no single figure gives anybody away.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ELECTRODES", "HARMONICS", "Person", "Placement", "generator", "make_person", "place_electrodes"]

Array = NDArray[np.float64]

ELECTRODES = ("RA", "LA", "LL")
HARMONICS = 4
"""Harmonics of the movement cycle that an artefact has."""

# Einthoven's triangle with the heart in the middle, x to the left, y to the foot, z to the back: LA - RA = (1, 0) is
# lead I at 0 degrees, LL - RA is lead II at 60 degrees, both of unit length.
_TRIANGLE = np.array([[-0.5, -np.sqrt(3) / 6, 0.0], [0.5, -np.sqrt(3) / 6, 0.0], [0.0, np.sqrt(3) / 3, 0.0]])


def generator(*keys: object) -> np.random.Generator:
    """Make a random generator from a list of names and numbers; the same list always gives the same generator."""
    digest = hashlib.sha256("\x1f".join(str(key) for key in keys).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


@dataclass(frozen=True, kw_only=True)
class Person:
    """What stays the same about somebody.

    Attributes:
        amplitudes_mv: dipole of each wave, shape (n_waves, 3): x left, y foot, z back.
        centres_s: centre of each wave at a heart rate of 60 /min, seconds after the R wave's centre, shape (n_waves,).
        widths_s: standard deviation of each wave's Gaussian, shape (n_waves,).
        qtc_s: QT interval at 60 /min.
        t_to_effort: relative change of the T wave from rest to the highest heart rate.
        rest_rate: resting heart rate, per minute.
        top_rate: highest heart rate, per minute.
        effort: factor on how far an activity raises the heart rate.
        rsa: respiratory share of the variation of RR at rest, as a fraction of RR.
        lf: slow (0.1 Hz) share of it.
        jitter: beat-to-beat share of it.
        breath: factor on the rate of breathing.
        breath_turn_rad: how far a breath at rest turns the heart in the frontal plane.
        breath_swell: how much a breath at rest changes the amplitude.
        cadence: factor on the pace of every rhythmic movement.
        muscle: factor on muscle noise.
        motion: factor on movement artefacts.
        harmonics: amplitude of each harmonic of the movement cycle, shape (HARMONICS,).
        electrodes: sensitivity of RA, LA, LL to the dipole, mV per mV, shape (3, 3).
    """

    amplitudes_mv: Array
    centres_s: Array
    widths_s: Array
    qtc_s: float
    t_to_effort: float
    rest_rate: float
    top_rate: float
    effort: float
    rsa: float
    lf: float
    jitter: float
    breath: float
    breath_turn_rad: float
    breath_swell: float
    cadence: float
    muscle: float
    motion: float
    harmonics: Array
    electrodes: Array


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What changes from one session to the next.

    Attributes:
        electrodes: sensitivity of RA, LA, LL to the dipole as they sit today, shape (3, 3).
        offset_mv: half-cell potential of each electrode, shape (3,).
        hum_mv: amplitude of the mains at each electrode, shape (3,).
        hum_phase: its phase, shape (3,).
        motion: how loosely each electrode sits: factor on its artefacts, shape (3,).
        motion_phase: phase of each harmonic of the movement cycle at each electrode, shape (3, HARMONICS).
        breath_mv: respiratory baseline of each electrode at rest, shape (3,).
        breath_phase: its phase, shape (3,).
    """

    electrodes: Array
    offset_mv: Array
    hum_mv: Array
    hum_phase: Array
    motion: Array
    motion_phase: Array
    breath_mv: Array
    breath_phase: Array


def make_person(name: str) -> Person:
    """Draw the person that a name stands for."""
    rng = generator("person", name)

    def near(mean: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(rng.normal(mean, spread), low, high))

    def dipole(size_mv: float, frontal_deg: float, back_deg: float) -> list[float]:
        frontal, back = np.deg2rad(frontal_deg), np.deg2rad(back_deg)
        return [
            size_mv * np.cos(frontal) * np.cos(back),
            size_mv * np.sin(frontal) * np.cos(back),
            size_mv * np.sin(back),
        ]

    axis = near(50, 13, 22, 78)
    r_mv = near(1.15, 0.25, 0.7, 1.7)
    s_mv = near(0.22, 0.12, 0.03, 0.5)
    p_mv, p_axis, p_s = near(0.10, 0.025, 0.05, 0.16), near(55, 12, 25, 75), near(-0.165, 0.014, -0.195, -0.135)
    t_mv, t_axis = near(0.26, 0.08, 0.12, 0.45), axis + near(-4, 14, -35, 30)
    qtc_s = near(0.402, 0.013, 0.37, 0.43)
    # From the start of QRS to the top of T; T's far flank takes about 80 ms.
    t_s = qtc_s - 0.042 - 0.085
    p_gap_s = near(0.030, 0.006, 0.016, 0.044)
    late_share = near(0.35, 0.1, 0.15, 0.6)
    rows = [
        # dipole, centre, width
        (dipole(p_mv, p_axis + 12, -15), p_s - p_gap_s / 2, near(0.017, 0.002, 0.013, 0.021)),
        (dipole(0.85 * p_mv, p_axis - 12, 20), p_s + p_gap_s / 2, near(0.018, 0.002, 0.014, 0.022)),
        (
            dipole(near(0.12, 0.06, 0.0, 0.28), axis + near(165, 18, 130, 200), -40),
            -0.024,
            near(0.0075, 0.001, 0.006, 0.01),
        ),
        (dipole(r_mv, axis, near(15, 15, -20, 45)), 0.0, near(0.0105, 0.001, 0.0085, 0.0125)),
        (dipole(near(0.12, 0.08, 0.0, 0.3), axis + near(-25, 25, -70, 30), 40), near(0.016, 0.003, 0.01, 0.022), 0.010),
        (
            dipole(s_mv, axis + near(180, 25, 130, 230), 45),
            near(0.028, 0.002, 0.024, 0.032),
            near(0.009, 0.001, 0.007, 0.011),
        ),
        (dipole(near(0.01, 0.025, -0.04, 0.06), t_axis, 0), 0.13, 0.045),
        (dipole(late_share * t_mv, t_axis + near(0, 8, -16, 16), -15), t_s - 0.062, near(0.052, 0.004, 0.044, 0.06)),
        (dipole(t_mv, t_axis, -20), t_s, near(0.038, 0.003, 0.032, 0.045)),
    ]
    return Person(
        amplitudes_mv=np.array([row[0] for row in rows]),
        centres_s=np.array([row[1] for row in rows]),
        widths_s=np.array([row[2] for row in rows]),
        qtc_s=qtc_s,
        t_to_effort=near(0.05, 0.25, -0.45, 0.5),
        rest_rate=near(66, 7, 50, 84),
        top_rate=near(186, 6, 172, 192),
        effort=near(1.0, 0.1, 0.8, 1.2),
        rsa=near(0.045, 0.02, 0.01, 0.1),
        lf=near(0.03, 0.01, 0.01, 0.05),
        jitter=near(0.006, 0.002, 0.002, 0.012),
        breath=near(1.0, 0.12, 0.75, 1.3),
        breath_turn_rad=near(0.05, 0.015, 0.02, 0.09),
        breath_swell=near(0.035, 0.012, 0.01, 0.07),
        cadence=near(1.0, 0.06, 0.88, 1.12),
        muscle=near(1.0, 0.25, 0.5, 1.6),
        motion=near(1.0, 0.15, 0.7, 1.3),
        harmonics=np.array([near(0.55**h, 0.2 * 0.55**h, 0.02, 1.4) for h in range(HARMONICS)]),
        electrodes=_TRIANGLE + rng.normal(0.0, [0.05, 0.05, 0.08], (3, 3)),
    )


def place_electrodes(person: Person, name: str, session: str) -> Placement:
    """Put the electrodes on a person for a session: near their usual places, not exactly on them."""
    rng = generator("session", name, session)
    turn = rng.normal(0.0, np.deg2rad(4.0))
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
    moved = (person.electrodes + rng.normal(0.0, 0.03, (3, 3))) @ rotation * float(np.exp(rng.normal(0.0, 0.06)))
    return Placement(
        electrodes=moved,
        offset_mv=rng.normal(0.0, 8.0, 3),
        hum_mv=0.004 * np.exp(rng.normal(0.0, 0.5, 3)),
        hum_phase=rng.uniform(0.0, 2 * np.pi, 3),
        motion=np.exp(rng.normal(0.0, 0.2, 3)),
        motion_phase=rng.uniform(0.0, 2 * np.pi, (3, HARMONICS)),
        breath_mv=rng.normal(0.0, 0.03, 3),
        breath_phase=rng.uniform(0.0, 2 * np.pi, 3),
    )
