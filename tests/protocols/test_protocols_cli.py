from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from protocols.cli import app
from protocols.script import shipped_scripts


def trilead(*args: str) -> Result:
    # Mounted as trilead.py mounts it: a sub-app without a name of its own.
    whole = typer.Typer()
    whole.add_typer(app)
    return CliRunner().invoke(whole, ["protocols", *args], env={"COLUMNS": "120"})


def test_list_names_every_shipped_protocol() -> None:
    result = trilead("list")
    assert result.exit_code == 0
    for name in shipped_scripts():
        assert name in result.stdout


def test_show_gives_each_step_with_its_start_and_the_total() -> None:
    result = trilead("show", "wearable-five")
    assert result.exit_code == 0
    assert "4:00" in result.stdout
    assert "squats" in result.stdout
    assert "Total 5:00, 5 steps." in result.stdout


def test_show_counts_rests_apart() -> None:
    assert "Total 16:20, 14 steps and 13 rests." in trilead("show", "daily-living").stdout


def test_check_passes_a_sound_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.toml").write_text('title = "One"\n[[steps]]\nactivity="rest"\ninstruction="Sit."\nduration_s=3700.5\n')
    result = trilead("check", "one.toml")
    assert result.exit_code == 0
    assert result.stdout == "one.toml is sound: 1 step, 1:01:40.5.\n"


def test_check_refuses_a_broken_script_with_one_sentence_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.toml").write_text('title = "One"\n[[steps]]\nactivity="rest"\ninstruction="Sit."\nduration_s=-5\n')
    result = trilead("check", "one.toml")
    assert result.exit_code == 2
    assert result.stderr == "one.toml, step 1: duration_s is -5; it must be above 0.\n"
    assert not result.stdout


def test_markup_in_a_script_is_shown_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('title = "[red]T[/red]"\n[[steps]]\nactivity="rest"\ninstruction="[/x] Sit."\nduration_s=5\n')
    result = trilead("show", str(path))
    assert result.exit_code == 0
    assert "[red]T[/red]" in result.stdout
    assert "[/x] Sit." in result.stdout
