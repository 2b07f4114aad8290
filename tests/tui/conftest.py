"""Fixtures of the screens' tests; what they share stands in `samples` and `standing`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own terminal does not decide how a test ends."""
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "TERM", "COLORTERM", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
