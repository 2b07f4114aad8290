"""What a command's exit status means (DESIGN §4); a pipeline decides by these numbers, so they never change."""

from __future__ import annotations

DONE = 0
"""Done, or healthy."""
FAILED = 1
"""Failed, degraded, critical, or read only in part."""
USAGE = 2
"""The command line or the configuration is wrong."""
REFUSED = 3
"""Refused: read-only, not confirmed, no permission."""
CONFLICT = 4
"""The world changed since it was read."""
UNREACHABLE = 5
"""Nothing could be read: unreachable or not authenticated."""
HOLD = 10
"""A gate says hold."""
ROLL_BACK = 20
"""A gate says roll back, or a roll-back was done."""
INTERRUPTED = 130
"""Ended by Ctrl+C."""
