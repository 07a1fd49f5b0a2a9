"""A three-dimensional dipole heart in a body that breathes, moves and hums.

The heart is a dipole in the chest. Each wave of a beat (P, Q, R, S, T, some in two parts) is a Gaussian in time with a
direction of its own; their sum is the cardiac vector. An electrode's potential is the projection of that vector on the
electrode's sensitivity, and everything that disturbs a recording arises at an electrode too. Leads are differences of
potentials.

After McSharry et al. 2003 (doi:10.1109/TBME.2003.808805) and, for three dimensions, Sameni et al. 2007
(doi:10.1155/2007/43407). Deviations, all ours:
- waves stand in seconds after the R wave, not at an angle of a limit cycle, and no differential equation is integrated:
  QRS then keeps its width at any rate, and a beat costs one evaluation;
- QT follows the cube root of RR (Fridericia 1920), P moves closer to QRS as the rate rises;
- the next beat is decided at the R wave before it, from the rate, respiratory and slow variation at that moment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from acquire.boards.body import State, Trajectory
from acquire.boards.noise import Noise
from acquire.boards.person import HARMONICS, generator, make_person, place_electrodes

__all__ = ["Heart"]

Array = NDArray[np.float64]

# A beat's waves lie within this window around R, and no RR is shorter than the part before R. Together they make the
# heart causal: a beat whose P wave reaches sample i was decided, at the R wave before it, no later than i.
_BEFORE_S = 0.30
_AFTER_S = 0.62
_SHORTEST_RR_S = 0.312
_LONGEST_RR_S = 2.0
_R_SEARCH_S = 0.05

_N_P_WAVES = 2
_FIRST_T_WAVE = 6
_AMPLIFIER_MV = 0.001
_LF_HZ, _LF_RADIUS = 0.1, 0.92


class Heart:
    """Leads I and II of one person in one session, sample by sample.

    What comes out depends on the arguments and on which activity was told at which sample, and on nothing else.

    Args:
        person: name of the person; the same name is the same person everywhere.
        session: label of the session; it places the electrodes.
        seed: picks one of many possible runs of noise and beats.
        rate_hz: samples per second, a whole number.
        mains_hz: frequency of the hum.
        noise: factor on everything that is not the heart; 0 leaves the heart alone.
    """

    def __init__(
        self, *, person: str, session: str, seed: int, rate_hz: int, mains_hz: float = 50.0, noise: float = 1.0
    ) -> None:
        self.person = make_person(person)
        self.placement = place_electrodes(self.person, person, session)
        self._rate_hz = rate_hz
        self._mains_hz = mains_hz
        self._noise_scale = noise
        keys = (seed, person, session)
        self._body = Trajectory(self.person, rate_hz)
        self._noise = Noise(keys, rate_hz)
        self._rng = generator(*keys, "beats")
        self._limit = 0  # samples generated so far
        self._block: tuple[tuple[int, int], tuple[Array, Array]] | None = None

        self._span = np.arange(round((_BEFORE_S + _AFTER_S) * rate_hz) + 1)
        self._dipole = np.zeros((3, 4 * len(self._span)))  # from sample `_limit` on
        self._pending: list[float] = []  # R waves whose peak in lead II is not generated to its end
        self._beats: list[int] = []
        self._clean = np.zeros(0)  # the noiseless lead II that pending beats may still need, up to `_limit`
        self._slow = (0.0, 0.0)
        self._next_r = float(self._rng.uniform(0.2, 0.2 + 60.0 / self.person.rest_rate)) * rate_hz
        self._next_rate = self.person.rest_rate

    @property
    def beats(self) -> NDArray[np.int64]:
        """Sample index of every R peak so far: where the noiseless lead II is highest within the QRS complex."""
        return np.array(self._beats, dtype=np.int64)

    def tell(self, activity: str, index: int) -> None:
        """Let an activity begin at sample ``index``; an index before the last one told counts as that one."""
        self._body.tell(activity, max(index, self._body.last_start))

    def generate(self, n_samples: int) -> tuple[Array, Array]:
        """Generate the next samples.

        Args:
            n_samples: how many. Every activity that begins before their end must have been told.

        Returns:
            Lead I and lead II in mV, each of shape (n_samples,).
        """
        one, two = np.empty(n_samples), np.empty(n_samples)
        done = 0
        while done < n_samples:
            number, offset = divmod(self._limit, self._rate_hz)
            count = min(n_samples - done, self._rate_hz - offset)
            here = slice(offset, offset + count)
            weights, disturbance = self._block_at(number)
            self._beat_until(self._limit + count)
            clean = np.zeros((2, count))
            for axis in range(3):
                clean += weights[:, axis, here] * self._dipole[axis, :count]
            one[done : done + count] = clean[0] + disturbance[0, here]
            two[done : done + count] = clean[1] + disturbance[1, here]
            self._advance(count, clean[1])
            done += count
        return one, two

    # Beats.

    def _beat_until(self, stop: int) -> None:
        """Add every beat whose window begins before sample ``stop`` to the dipole."""
        rate_hz = self._rate_hz
        while (first := int(np.ceil(self._next_r - _BEFORE_S * rate_hz))) < stop:
            waves = self._waves((first + self._span - self._next_r) / rate_hz, self._next_rate)
            skip = max(self._limit - first, 0)  # a first beat may have begun before sample 0
            start = first + skip - self._limit
            self._dipole[:, start : start + waves.shape[1] - skip] += waves[:, skip:]
            self._pending.append(self._next_r)
            self._decide()

    def _decide(self) -> None:
        """Decide when the beat after this one comes, from how the body is at this one."""
        person = self.person
        now = self._body.state(np.array([int(self._next_r)]))
        kick, jitter = self._rng.standard_normal(2)
        # A second-order autoregression that rings at 0.1 Hz, if beats came at the resting rate; unit variance.
        a1 = 2 * _LF_RADIUS * np.cos(2 * np.pi * _LF_HZ * 60.0 / person.rest_rate)
        a2 = -(_LF_RADIUS**2)
        size = np.sqrt((1 + a2) * ((1 - a2) ** 2 - a1**2) / (1 - a2))
        self._slow = (a1 * self._slow[0] + a2 * self._slow[1] + size * kick, self._slow[0])
        breath = np.sin(2 * np.pi * float(now.breath_cycles[0]))
        varied = person.rsa * breath + person.lf * self._slow[0] + person.jitter * jitter
        mean_rate = person.rest_rate + float(now.effort[0]) * (person.top_rate - person.rest_rate)
        rr_s = 60.0 / mean_rate * (1.0 + float(now.hrv[0]) * varied)
        self._next_r += float(np.clip(rr_s, _SHORTEST_RR_S, _LONGEST_RR_S)) * self._rate_hz
        self._next_rate = mean_rate

    def _waves(self, since_r_s: Array, rate: float) -> Array:
        """Evaluate the cardiac vector of one beat, shape (3, n), at times after its R wave."""
        person = self.person
        rr_s = 60.0 / rate
        effort = (rate - person.rest_rate) / (person.top_rate - person.rest_rate)
        centres, widths, amplitudes = person.centres_s.copy(), person.widths_s.copy(), person.amplitudes_mv.copy()
        stretch = np.cbrt(rr_s)
        # Measured from the start of QRS, everything after S shrinks with QT.
        centres[_FIRST_T_WAVE:] = (centres[_FIRST_T_WAVE:] + 0.042) * stretch - 0.042
        widths[_FIRST_T_WAVE:] *= stretch
        centres[:_N_P_WAVES] *= 0.7 + 0.3 * min(rr_s, 1.2)
        amplitudes[:_N_P_WAVES] *= 1.0 + 0.4 * effort
        amplitudes[_FIRST_T_WAVE:] *= 1.0 + person.t_to_effort * effort
        bells = np.exp(-0.5 * ((since_r_s - centres[:, None]) / widths[:, None]) ** 2)
        return np.asarray(amplitudes.T @ bells)

    def _advance(self, count: int, clean: Array) -> None:
        """Move on by ``count`` samples, and find the R peaks that are now complete."""
        self._limit += count
        self._dipole[:, :-count] = self._dipole[:, count:]
        self._dipole[:, -count:] = 0.0
        self._clean = np.concatenate([self._clean, clean])
        reach = int(np.ceil(_R_SEARCH_S * self._rate_hz))
        while self._pending and round(self._pending[0]) + reach < self._limit:
            r = round(self._pending.pop(0))
            start = max(r - reach, 0)
            held = self._limit - len(self._clean)
            self._beats.append(start + int(np.argmax(self._clean[start - held : r + reach + 1 - held])))
        needed = min(self._limit, round(self._pending[0]) - reach) if self._pending else self._limit
        self._clean = self._clean[max(len(self._clean) - (self._limit - needed), 0) :]

    # Everything around the heart.

    def _block_at(self, number: int) -> tuple[Array, Array]:
        """Say how leads I and II see the dipole in second ``number``, and what disturbs them.

        Always the whole second, so that each sample is computed in the same way whatever portion is asked for. Samples
        after the last one generated are provisional: an activity may yet begin there, and the second is then computed
        again.

        Returns:
            Weights of the dipole's axes, shape (2, 3, n), and disturbance in mV, shape (2, n).
        """
        key = (number, self._body.pieces)
        if self._block is None or self._block[0] != key:
            indices = number * self._rate_hz + np.arange(self._rate_hz)
            state = self._body.state(indices)
            self._block = key, (self._sight(state), self._disturbance(number, indices, state))
        return self._block[1]

    def _sight(self, state: State) -> Array:
        person = self.person
        breath = np.sin(2 * np.pi * state.breath_cycles) * state.breath_depth
        turn = state.turn_rad + person.breath_turn_rad * breath
        swell = 1.0 - person.breath_swell * breath
        right, left, foot = self.placement.electrodes
        leads = np.array([left - right, foot - right])
        x, y, z = leads[:, 0:1], leads[:, 1:2], leads[:, 2:3]
        cos, sin = np.cos(turn), np.sin(turn)
        # Turning the heart by an angle is turning the leads the other way.
        return np.asarray(np.stack([x * cos + y * sin, y * cos - x * sin, z * np.ones_like(turn)], axis=1) * swell)

    def _disturbance(self, number: int, indices: NDArray[np.int64], state: State) -> Array:
        place, noise = self.placement, self._noise.block(number)
        loose = place.motion[:, None]
        potential = state.muscle_mv * noise.muscle
        potential += state.wander_mv * noise.wander
        potential += state.burst_mv * loose * (0.3 + np.maximum(noise.gate - 0.3, 0.0) ** 2) * noise.burst
        potential += state.motion_mv * loose * (1.0 + 0.3 * noise.stride) * self._movement(state, noise.beat_of_steps)
        cycle = 2 * np.pi * state.breath_cycles
        potential += place.breath_mv[:, None] * state.breath_depth * np.sin(cycle + place.breath_phase[:, None])
        potential += self._hum(indices) * state.hum
        amplifier = _AMPLIFIER_MV * noise.amplifier
        disturbance = np.stack([potential[1] - potential[0], potential[2] - potential[0]]) + amplifier
        offset = place.offset_mv
        half_cell = np.array([[offset[1] - offset[0]], [offset[2] - offset[0]]])
        return np.asarray(disturbance * self._noise_scale + half_cell)

    def _movement(self, state: State, timing: Array) -> Array:
        """Sum the harmonics of the movement cycle at each electrode, shape (3, n)."""
        phase = 2 * np.pi * (state.cadence_cycles + 0.12 * timing)
        potential = np.zeros((3, len(phase)))
        for harmonic in range(HARMONICS):
            shifted = (harmonic + 1) * phase + self.placement.motion_phase[:, harmonic, None]
            potential += self.person.harmonics[harmonic] * np.cos(shifted)
        return potential

    def _hum(self, indices: NDArray[np.int64]) -> Array:
        """Mains and its third harmonic, as far as the sampling rate lets them through, shape (3, n)."""
        place = self.placement
        phase = 2 * np.pi * self._mains_hz * (indices / self._rate_hz)
        hum = np.sin(phase + place.hum_phase[:, None])
        if 3 * self._mains_hz < self._rate_hz / 2:
            hum += 0.2 * np.sin(3 * (phase + place.hum_phase[:, None]))
        return place.hum_mv[:, None] * hum
