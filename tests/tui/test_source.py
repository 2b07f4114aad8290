"""What the source must not do: machine text as markup, workers that cancel each other, a heavy first paint."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import brconsole.tui

FILES = sorted(Path(brconsole.tui.__file__).parent.rglob("*.py"))
MARKUP = {"Static", "Label", "notify", "Markdown", "from_markup", "Content.from_markup"}


def calls(path: Path) -> list[ast.Call]:
    """Every call of a file."""
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str:
    """The last name of what is called."""
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_text_but_a_literal_is_ever_read_as_markup(path: Path) -> None:
    for call in calls(path):
        if name_of(call) in MARKUP and call.args and not isinstance(call.args[0], ast.Constant):
            off = any(
                word.arg == "markup" and isinstance(word.value, ast.Constant) and word.value.value is False
                for word in call.keywords
            )
            assert off, f"{path.name}:{call.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_exclusive_worker_names_its_group(path: Path) -> None:
    for call in calls(path):
        words = {word.arg for word in call.keywords}
        if "exclusive" in words:
            assert "group" in words, f"{path.name}:{call.lineno}"


def test_the_first_page_loads_no_widget_beyond_what_the_toolkit_loads_itself() -> None:
    def widgets_of(imports: str) -> set[str]:
        code = f"import sys, {imports}; print(*(name for name in sys.modules if name.startswith('textual.widgets._')))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        return set(done.stdout.split())

    assert widgets_of("textual.app, brconsole.tui.app, brconsole.tui.screens.fleet") <= widgets_of("textual.app")
