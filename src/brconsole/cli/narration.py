"""What a long-running command says meanwhile: a line for each thing that happens, not one for each look."""

from __future__ import annotations

from brconsole.cli import output

_DETAIL = " · "
"""What stands behind it is evidence, which changes with every minute."""


class Narration:
    """Tells what is new."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, sentence: str) -> None:
        """Say a sentence, unless it only repeats the one before with newer figures."""
        gist = sentence.partition(_DETAIL)[0]
        if gist != self._last:
            output.tell(sentence)
        self._last = gist
