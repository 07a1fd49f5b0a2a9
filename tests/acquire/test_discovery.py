import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import acquire.boards.discovery
from acquire.boards.board import BOARD_KINDS, open_board
from acquire.boards.cli import app
from acquire.boards.discovery import LATENCY_RULE, Survey, System, survey
from acquire.boards.kinds import KINDS, explain
from acquire.boards.ports import SerialPort
from acquire.checks.doctor import _drivers, _serial_ports

DONGLE = SerialPort(
    device="/dev/ttyUSB0",
    serial_number="DM00Q0QN",
    vid=0x0403,
    pid=0x6015,
    description="FT231X USB UART",
    guess="cyton",
)
CHEAP = SerialPort(
    device="/dev/ttyUSB1", vid=0x1A86, pid=0x7523, description="USB2.0-Serial", guess="lines", serial_number=""
)


@pytest.fixture
def system(tmp_path: Path) -> Callable[..., System]:
    def make(*ports: SerialPort, may_use: bool = True, group: str = "dialout") -> System:
        return System(
            root=tmp_path, list_ports=lambda: list(ports), may_use=lambda _: may_use, group_of=lambda _: group
        )

    return make


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def run_process(root: Path, number: int, name: str, device: str | None = None) -> None:
    put(root, f"proc/{number}/comm", name + "\n")
    (root / f"proc/{number}/fd").mkdir()
    if device is not None:
        (root / f"proc/{number}/fd/3").symlink_to(device)


def only(found: Survey) -> str:
    (trouble,) = (*(trouble for port in found.ports for trouble in port.troubles), *found.hints)
    return trouble


def test_nothing_plugged_in_is_nothing_wrong(system: Callable[..., System]) -> None:
    assert survey(system()) == Survey(ports=(), hints=())


def test_this_computer_can_be_looked_at() -> None:
    assert isinstance(survey(), Survey)


def test_a_dongle_is_told_with_the_address_that_outlives_the_next_plug(system: Callable[..., System]) -> None:
    (port,) = survey(system(DONGLE)).ports
    assert (port.device, port.serial_number, port.usb) == ("/dev/ttyUSB0", "DM00Q0QN", "0403:6015")
    assert port.addresses[0] == "cyton:DM00Q0QN"
    assert "OpenBCI" in port.guess
    assert port.troubles == ()


def test_a_board_without_a_serial_number_of_its_own_goes_by_its_port(system: Callable[..., System]) -> None:
    (port,) = survey(system(CHEAP)).ports
    assert port.addresses == ("lines:/dev/ttyUSB1", "ads1293:/dev/ttyUSB1", "ads1292r:/dev/ttyUSB1")
    twins = [
        SerialPort(device=f"/dev/ttyUSB{n}", serial_number="0001", vid=0x10C4, pid=0xEA60, guess="lines")
        for n in range(2)
    ]
    assert [port.addresses[0] for port in survey(system(*twins)).ports] == ["lines:/dev/ttyUSB0", "lines:/dev/ttyUSB1"]


def test_every_address_that_is_told_can_be_typed(system: Callable[..., System]) -> None:
    odd = SerialPort(device="/dev/ttyUSB0", serial_number="A?B %20&#", vid=0x2341, pid=1, guess="lines")
    for port in (DONGLE, CHEAP, odd):
        for address in survey(system(port)).ports[0].addresses:
            try:
                board = open_board(address)
            except ModuleNotFoundError:
                continue
            assert getattr(board, "_target", None) in (None, port.serial_number or port.device)


def test_a_port_that_may_not_be_opened_names_its_own_group(system: Callable[..., System]) -> None:
    assert "sudo usermod -aG uucp $USER" in only(survey(system(DONGLE, may_use=False, group="uucp")))
    assert "administers" in only(survey(system(DONGLE, may_use=False, group="root")))
    assert "administers" in only(survey(system(DONGLE, may_use=False, group="")))


def test_a_busy_port_names_the_program_that_has_it(system: Callable[..., System], tmp_path: Path) -> None:
    run_process(tmp_path, 4711, "arduino", "/dev/ttyUSB0")
    run_process(tmp_path, 4712, "shell", "/dev/pts/1")
    assert "/dev/ttyUSB0 is in use by arduino (process 4711)" in only(survey(system(DONGLE)))


def test_whoever_looks_is_not_told_to_be_in_the_way(system: Callable[..., System], tmp_path: Path) -> None:
    run_process(tmp_path, os.getpid(), "python", "/dev/ttyUSB0")
    assert survey(system(DONGLE)).ports[0].troubles == ()


def test_a_missing_latency_rule_is_told_with_the_line_to_add(system: Callable[..., System], tmp_path: Path) -> None:
    timer = "sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    put(tmp_path, timer, "16\n")
    put(tmp_path, "etc/udev/rules.d/99-other.rules", "# " + LATENCY_RULE)
    assert LATENCY_RULE in only(survey(system(DONGLE)))
    put(tmp_path, "etc/udev/rules.d/99-other.rules", LATENCY_RULE)
    assert "plug it in again" in only(survey(system(DONGLE)))
    put(tmp_path, timer, "1\n")
    assert survey(system(DONGLE)).ports[0].troubles == ()


def test_a_chip_without_a_port_is_told_with_brltty_where_that_is_here(
    system: Callable[..., System], tmp_path: Path
) -> None:
    put(tmp_path, "sys/bus/usb/devices/1-2/idVendor", "1a86\n")
    put(tmp_path, "sys/bus/usb/devices/1-2/idProduct", "7523\n")
    assert "driver" in only(survey(system()))
    assert survey(system(CHEAP)).hints == ()
    run_process(tmp_path, 50, "brltty")
    assert "sudo apt remove brltty" in only(survey(system()))


def test_brltty_is_told_only_where_its_rules_claim_what_is_plugged_in(
    system: Callable[..., System], tmp_path: Path
) -> None:
    put(tmp_path, "usr/bin/brltty", "")
    rule = 'ENV{PRODUCT}=="1a86/7523/*", ENV{BRLTTY_BRAILLE_DRIVER}="bm", GOTO="brltty_usb_run"\n'
    put(tmp_path, "usr/lib/udev/rules.d/85-brltty.rules", rule)
    assert "1a86:7523" in only(survey(system(CHEAP)))
    assert survey(system(DONGLE)).hints == ()
    put(tmp_path, "etc/udev/rules.d/85-brltty.rules", "")  # how udev lets a rule be turned off
    assert survey(system(CHEAP)).hints == ()


def test_modem_manager_is_told_once_a_vendor_and_not_where_a_rule_keeps_it_off(
    system: Callable[..., System], tmp_path: Path
) -> None:
    run_process(tmp_path, 60, "ModemManager")
    assert survey(system()).hints == ()
    hint = only(survey(system(CHEAP, CHEAP)))
    rule = 'ATTRS{idVendor}=="1a86", ENV{ID_MM_DEVICE_IGNORE}="1"'
    assert rule in hint
    put(tmp_path, "etc/udev/rules.d/99-trilead.rules", rule)
    assert survey(system(CHEAP)).hints == ()


def test_a_device_that_says_odd_things_of_itself_is_shown_harmlessly(
    system: Callable[..., System], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = SerialPort(
        device="/dev/ttyUSB0",
        serial_number="[red]\x1b[2J\n" + "x" * 500,
        vid=0xFFFF,
        pid=0,
        description="[bold]\x00\x07" + "y" * 500,
    )
    (port,) = survey(system(odd)).ports
    assert port.serial_number.isprintable()
    assert port.guess.isprintable()
    assert len(port.serial_number) + len(port.guess) < 200
    monkeypatch.setattr(acquire.boards.discovery, "survey", lambda: survey(system(odd)))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    assert "\x1b[2J" not in result.output
    assert "[red]" in result.output


@pytest.mark.parametrize("text", ["", "many", "-5", "1" * 5000, "\x00"])
def test_odd_system_files_are_passed_over(text: str, system: Callable[..., System], tmp_path: Path) -> None:
    put(tmp_path, "sys/bus/usb-serial/devices/ttyUSB0/latency_timer", text)
    put(tmp_path, "sys/bus/usb/devices/1-1/idVendor", text)
    put(tmp_path, "sys/bus/usb/devices/1-1/idProduct", text)
    put(tmp_path, "proc/123/comm", text)
    put(tmp_path, "etc/udev/rules.d/1.rules", text)
    assert survey(system(DONGLE)).ports[0].troubles == ()


def test_the_command_shows_ports_troubles_and_kinds(
    system: Callable[..., System], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_process(tmp_path, 4711, "arduino", "/dev/ttyUSB1")
    monkeypatch.setattr(acquire.boards.discovery, "survey", lambda: survey(system(DONGLE, CHEAP)))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    for words in ("cyton:DM00Q0QN", "lines:/dev/ttyUSB1", "! /dev/ttyUSB1 is in use by arduino", "sim:", "replay:"):
        assert words in result.output


def test_the_command_helps_where_nothing_is_plugged_in(
    system: Callable[..., System], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquire.boards.discovery, "survey", lambda: survey(system()))
    assert "acquire.emulators" in CliRunner().invoke(app, []).output.replace("\n", "")


def test_scripts_get_json(system: Callable[..., System], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquire.boards.discovery, "survey", lambda: survey(system(DONGLE)))
    told = json.loads(CliRunner().invoke(app, ["--json"]).output)
    assert told["ports"][0]["addresses"] == ["cyton:DM00Q0QN", "lines:DM00Q0QN"]
    assert told["hints"] == []
    assert {kind["scheme"] for kind in told["kinds"]} == set(BOARD_KINDS)


def test_every_kind_of_board_is_told_with_an_example_of_its_own() -> None:
    assert {kind.scheme for kind in KINDS} == set(BOARD_KINDS)
    assert all(kind.example.startswith(f"{kind.scheme}:") for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.scheme)
def test_an_example_is_an_address_that_its_kind_takes(kind: acquire.boards.kinds.BoardKind) -> None:
    open_board(kind.example)


@pytest.mark.parametrize("scheme", BOARD_KINDS)
def test_a_kind_is_explained_by_the_module_that_reads_it(scheme: str) -> None:
    text = explain(scheme)
    assert f"{scheme}:" in text
    assert "``" not in text
    assert CliRunner().invoke(app, [scheme]).output.startswith(text[:60])


def test_the_columns_of_an_explained_table_stay_in_line() -> None:
    lines = explain("lines").splitlines()
    rule = next(line for line in lines if line.startswith("==="))
    starts = [place for place in range(len(rule)) if rule[place] == "=" and (place == 0 or rule[place - 1] == " ")]
    table = lines[lines.index(rule) + 3 :]
    table = table[: table.index(rule)]
    assert len(table) >= 6
    for line in table:
        assert all(line[start - 1] == " " and line[start] != " " for start in starts[1:] if len(line) > start)


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    result = CliRunner().invoke(app, ["rubbish"])
    assert result.exit_code == 2
    assert "cyton" in result.stderr


def test_the_doctor_names_what_hinders_a_serial_port(system: Callable[..., System]) -> None:
    assert _serial_ports(survey(system()), "").state == "fine"
    assert _serial_ports(survey(system(DONGLE)), "").words == "/dev/ttyUSB0"
    assert "usermod -aG dialout" in _serial_ports(survey(system()), "dialout").words
    check = _serial_ports(survey(system(DONGLE, CHEAP, may_use=False)), "")
    assert check.state == "optional"
    assert "and 1 more" in check.words


def test_the_doctor_names_a_library_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("liblsl.so:\n not found")

    monkeypatch.setattr(importlib, "import_module", fail)
    for check in _drivers():
        assert check.state == ("mend" if "brainflow" in check.name else "optional")
        assert "(liblsl.so: not found)" in check.words
        assert ("apt install" if "PySide6" in check.name else "pip install") in check.words
