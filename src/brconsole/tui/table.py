"""A cursor over rows that come and go: it follows the row's key, never its place."""

from __future__ import annotations

from collections.abc import Sequence


class RowCursor:
    """Which row is chosen and which part of the rows is in sight."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.offset = 0
        self._index = 0

    def settle(self, keys: Sequence[str], height: int) -> int:
        """Find the chosen row among the present ones and keep it in sight; its index, 0 for none.

        Where the row is gone, the one that took its place is chosen.
        """
        if not keys:
            self.offset = 0
            return 0
        if self.key in keys:
            self._index = keys.index(self.key)
        else:
            self._index = min(self._index, len(keys) - 1)
            self.key = keys[self._index]
        height = max(1, height)
        if self._index < self.offset:
            self.offset = self._index
        elif self._index >= self.offset + height:
            self.offset = self._index - height + 1
        self.offset = max(0, min(self.offset, len(keys) - height))
        return self._index

    def move(self, keys: Sequence[str], steps: int) -> None:
        """Choose the row that many steps on, stopping at the ends."""
        if not keys:
            return
        index = keys.index(self.key) if self.key in keys else self._index
        self._index = max(0, min(len(keys) - 1, index + steps))
        self.key = keys[self._index]

    def choose(self, key: str) -> None:
        """Choose a row by its key."""
        self.key = key
