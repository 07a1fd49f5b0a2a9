import sys

import pytest

from acquire.boards.board import BOARD_KINDS, open_board
from acquire.boards.sim import SimBoard
from acquire.errors import BoardError, BoardErrorReason


def test_an_address_becomes_the_board_of_its_scheme_with_the_context_of_the_recording() -> None:
    board = open_board("sim:?speed=max", subject="S07", session="02", mains_hz=60)
    assert isinstance(board, SimBoard)
    assert (board.options.person, board.options.session, board.options.mains_hz) == ("S07", "02", 60)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("sin:", r"The board address 'sin:' names no known kind of board; did you mean sim: \?"),
        ("", r"The board address '' names no known kind of board; known kinds are ads1292r:, "),
        ("sim", r"The board address 'sim' names no known kind of board; did you mean sim: \?"),
        ("../sim:x\n", r"The board address '../sim:x\\n' names no known kind"),
    ],
)
def test_an_unknown_kind_is_refused_with_the_known_ones(address: str, sentence: str) -> None:
    with pytest.raises(BoardError, match=sentence) as caught:
        open_board(address)
    assert caught.value.reason is BoardErrorReason.UNKNOWN_KIND
    assert caught.value.address == address


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BOARD_KINDS, "ghost", "acquire_ghost_driver:Ghost")
    with pytest.raises(BoardError, match="needs the Python package acquire_ghost_driver") as caught:
        open_board("ghost:")
    assert caught.value.reason is BoardErrorReason.MISSING_DRIVER


def test_a_board_module_is_imported_only_when_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "acquire.boards.sim")
    with pytest.raises(BoardError):
        open_board("other:")
    assert "acquire.boards.sim" not in sys.modules


def test_a_board_is_open_inside_a_with_block_and_closed_after_it() -> None:
    board = open_board("sim:?speed=max")
    with board:
        board.start()
        assert board.read(1.0, 10) is not None
    with pytest.raises(BoardError, match="not open"):
        board.read(1.0)
