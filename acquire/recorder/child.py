"""Starting a Python process of trilead's own."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

__all__ = ["child_environment", "module_command"]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of trilead with this very Python."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """The environment in which that command finds trilead, whatever folder it is started in."""
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[2])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        # trilead runs from a checkout, which Python does not look into by itself.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH", "")]))
    return environment
