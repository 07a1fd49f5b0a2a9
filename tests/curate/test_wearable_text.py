from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wearable_files import START, counts, text, times_us

from curate.errors import ImportRefused, RefusalReason
from curate.importers.wearable_text import looks_like_wearable, parse_lines

SHOWN = Path("01/01_01_klud.csv")
GOOD = "2024-03-26 14:58:13.300910 ; 2175\n2024-03-26 14:58:13.302891 ; 7\n"


def refused(data: bytes) -> ImportRefused:
    with pytest.raises(ImportRefused) as caught:
        parse_lines(data, shown=SHOWN)
    return caught.value


def test_every_time_and_count_is_read_exactly() -> None:
    times, values = times_us(2_500), counts(2_500)
    lines = parse_lines(text(times, values).encode(), shown=SHOWN)
    np.testing.assert_array_equal(lines.counts, values)
    assert lines.counts.dtype == np.int32
    np.testing.assert_array_equal(lines.times_us - lines.times_us[0], times - times[0])
    assert lines.times_us[0] == int(np.datetime64(START.isoformat(), "us").astype(np.int64)) + times[0]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_counts_of_one_to_four_digits_are_read(width: int) -> None:
    value = int("4095"[:width])
    assert parse_lines(f"2024-03-26 14:58:13.300910 ; {value}\n".encode(), shown=SHOWN).counts.tolist() == [value]


def test_line_ends_of_windows_and_a_byte_order_mark_are_read() -> None:
    data = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert parse_lines(data, shown=SHOWN).counts.tolist() == [2175, 7]


def test_a_whole_second_written_without_its_zeros_is_read() -> None:
    lines = parse_lines((GOOD + "2024-03-26 14:58:14 ; 9\n").encode(), shown=SHOWN)
    assert lines.counts.tolist() == [2175, 7, 9]
    assert lines.times_us[2] % 1_000_000 == 0


def test_midnight_is_passed_forwards() -> None:
    data = b"2024-02-29 23:59:59.999000 ; 1\n2024-03-01 00:00:00.001000 ; 2\n"
    assert np.diff(parse_lines(data, shown=SHOWN).times_us).tolist() == [2000]


@pytest.mark.parametrize(
    "rest", ["2024-03-26 14:58:13.304918 ; 21", "2024-03-26 14:5", "2", "2024-03-26 14:58:13.304918 ;"]
)
def test_a_last_line_without_its_end_is_left_out_and_told(rest: str) -> None:
    lines = parse_lines((GOOD + rest).encode(), shown=SHOWN)
    assert lines.counts.tolist() == [2175, 7]
    assert lines.cut_line == rest


@pytest.mark.parametrize(
    ("line", "reason", "said"),
    [
        ("2024-03-26 14:58:13.304918 ; 4096", RefusalReason.COUNT, "4096; a 12-bit board gives 0 to 4095"),
        ("2024-03-26 14:58:13.304918 ; 99999", RefusalReason.COUNT, "'99999' is not a count"),
        ("2024-03-26 14:58:13.304918 ; -5", RefusalReason.COUNT, "'-5' is not a count"),
        ("2024-03-26 14:58:13.304918 ; nan", RefusalReason.COUNT, "'nan' is not a count"),
        ("2024-03-26 14:58:13.304918 ; 2.5", RefusalReason.COUNT, "'2.5' is not a count"),
        ("2024-03-26 14:58:13.304918 ; ", RefusalReason.COUNT, "'' is not a count"),
        ("2024-03-26 14:58:13.304918 ; 1 ", RefusalReason.COUNT, "'1 ' is not a count"),
        ("2024-03-26 14:58:13.304918,2168", RefusalReason.SEPARATOR, "no ' ; '"),
        ("2024-03-26 14:58:13.304918;2168", RefusalReason.SEPARATOR, "no ' ; '"),
        ("", RefusalReason.SEPARATOR, "empty line"),
        ("14:58:13.304918 ; 2168", RefusalReason.TIME, "is not a time like"),
        ("2024-02-30 14:58:13.304918 ; 2168", RefusalReason.TIME, "no moment of any calendar day"),
        ("2024-13-26 14:58:13.304918 ; 2168", RefusalReason.TIME, "no moment of any calendar day"),
        ("0000-00-00 00:00:00.000000 ; 2168", RefusalReason.TIME, "no moment of any calendar day"),
        ("2024-03-26 24:58:13.304918 ; 2168", RefusalReason.TIME, "no moment of any calendar day"),
        ("2024-03-26 14:61:13.304918 ; 2168", RefusalReason.TIME, "no moment of any calendar day"),
        ("1969-12-31 23:59:59.999999 ; 2168", RefusalReason.TIME, "lies before 1970"),
        ("2024-03-26 14:58:12.304918 ; 2168", RefusalReason.TIME, "runs backwards by 0.997973 s"),
        ("x" * 500, RefusalReason.NOT_TEXT, "is not a line of such a file"),
        ("2024-03-26 14:58:13.304918 ; ٢١", RefusalReason.NOT_TEXT, "is not a line of such a file"),
        ("\x1b[2J", RefusalReason.NOT_TEXT, "is not a line of such a file"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_what_stands_there(line: str, reason: RefusalReason, said: str) -> None:
    error = refused((GOOD + line + "\n" + "2024-03-26 14:58:13.306927 ; 2167\n").encode())
    assert error.reason is reason
    assert error.line == 3
    assert str(error).startswith("01/01_01_klud.csv, line 3: ")
    assert said in str(error)
    assert len(str(error)) < 250
    assert str(error).isprintable()


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_nothing_is_refused_as_empty(data: bytes) -> None:
    assert refused(data).reason is RefusalReason.EMPTY


def test_one_endless_line_is_refused_and_shown_shortened() -> None:
    error = refused(b"7" * 2_000_000)
    assert error.reason is RefusalReason.EMPTY
    assert len(str(error)) < 200


def test_very_many_odd_lines_do_not_take_for_ever() -> None:
    data = b"".join(b"2024-03-26 14:58:13 ; 1\n" for _ in range(30_000))
    assert "has no microseconds" in str(refused(data))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_junk_is_refused_or_read_and_never_crashes(junk: bytes) -> None:
    said = ""
    try:
        lines = parse_lines(GOOD.encode() + junk, shown=SHOWN)
    except ImportRefused as error:
        said = str(error)
    else:
        assert lines.counts.max() <= 4095
    assert said.isprintable()


def test_a_head_is_recognised_by_its_first_line() -> None:
    assert looks_like_wearable(GOOD.encode()[:64])
    assert not looks_like_wearable(b"start;end;activity;artifact;electrode\n")
    assert not looks_like_wearable(b"")
