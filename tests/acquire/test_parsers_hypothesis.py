"""The parsers of everything that comes from outside, with the promises that `benchmarks.fuzz_targets` states.

Hypothesis looks at each for a moment; ``python -m benchmarks.fuzz`` looks for as long as it is told to.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquire.boards.unwrap import CounterUnwrapper
from benchmarks.fuzz import fuzz
from benchmarks.fuzz_choices import Choices, Damage, Finding, held_bytes, is_subsequence
from benchmarks.fuzz_targets import TARGETS

some_time = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_bytes_break_what_a_parser_promises(target: str) -> None:
    @some_time
    @given(st.binary(max_size=1500))
    def holds(data: bytes) -> None:
        TARGETS[target](data)

    holds()


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_long_noise_breaks_no_promise_and_takes_no_long_time(target: str) -> None:
    noise = random.Random(20261121)
    for _ in range(40):
        data = noise.randbytes(noise.randrange(4000))
        began_s = time.process_time()
        TARGETS[target](data)
        assert time.process_time() - began_s < 2.0


@pytest.mark.parametrize("byte", [0x00, 0x0A, 0x20, 0x31, 0x5B, 0xA0, 0xC0, 0xFA, 0xFF])
def test_endless_repetition_takes_time_in_proportion(byte: int) -> None:
    from acquire.boards.cyton_frames import CytonParser
    from acquire.boards.line_parser import LineParser
    from acquire.boards.protocentral_frames import FrameParser

    cyton, line, frame = CytonParser(), LineParser(), FrameParser((12,), "3i")
    began_s = time.process_time()
    for _ in range(2000):
        piece = bytes([byte]) * 500
        cyton.feed(piece, 0)
        line.feed(piece)
        frame.feed(piece)
        assert max(held_bytes(parser) for parser in (cyton, line, frame)) < 1000
    assert time.process_time() - began_s < 30.0


@some_time
@given(
    counter=st.integers(0, 255),
    clock_ms=st.sampled_from([0, 123, (1 << 32) - 50]),
    losses=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 2000)), max_size=6),
    ppm=st.integers(-300, 300),
    late_ns=st.integers(0, 200_000_000),
)
def test_the_index_is_right_after_any_losses_where_the_board_sends_its_clock(
    counter: int, clock_ms: int, losses: list[tuple[int, int]], ppm: int, late_ns: int
) -> None:
    unwrapper = CounterUnwrapper(250.0)
    index = 0
    gaps = dict(losses)
    for place in range(500):
        index += gaps.get(place, 0) if place else 0
        clock = (clock_ms + round(index * 4 * (1 + ppm * 1e-6))) % (1 << 32)
        host_ns = index * 4_000_000 + (late_ns if place % 7 else 0)
        assert unwrapper.unwrap((counter + index) % 256, host_ns=host_ns, clock_ms=clock) == index
        index += 1


def test_the_oracles_themselves_see_a_wrong_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    from acquire.boards import protocentral_frames

    real = protocentral_frames.FrameParser.feed

    def forging(self: protocentral_frames.FrameParser, data: bytes) -> list[tuple[int, ...] | str]:
        items = real(self, data)
        return [tuple(number ^ 1 for number in item) if isinstance(item, tuple) else item for item in items]

    monkeypatch.setattr(protocentral_frames.FrameParser, "feed", forging)
    with pytest.raises(Finding, match="a wrong sample was accepted"):
        TARGETS["protocentral"](b"\x00" * 400)


def test_choices_use_every_byte_once_and_end_in_first_choices() -> None:
    choices = Choices(bytes([3, 250, 1, 7, 9]))
    assert (choices.below(10), choices.below(100), choices.flag()) == (3, 50, True)
    assert (choices.left, choices.rest(), choices.rest()) == (2, b"\x07\x09", b"")
    assert (choices.below(1000), choices.one_of("abc"), choices.flag()) == (0, "a", False)


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_cuts_leave_out_and_double_nothing(data: bytes, plan: bytes) -> None:
    assert b"".join(Choices(plan).cut(data)) == data


def test_damage_is_done_where_it_was_meant_whatever_its_order() -> None:
    damages = [Damage(1, 1, b""), Damage(4, 0, b"xy"), Damage(2, 1, b"C")]
    assert Damage.all_done(b"abcdef", damages) == b"aCdxyef"


def test_a_subsequence_keeps_the_order() -> None:
    assert is_subsequence([1, 1, 3], [1, 2, 1, 3])
    assert not is_subsequence([1, 3, 1], [1, 2, 1, 3])


def test_the_fuzzer_itself_runs_and_reports_what_it_did(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris, the extra fuzz, is not installed")
    outcome = fuzz("protocentral", seconds=2, folder=tmp_path, seed=1)
    assert (outcome.finding, outcome.input) == ("", None)
    assert outcome.executions > 100
    assert outcome.edges > 10
