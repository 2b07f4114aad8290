"""How single values stand in every JSON document: moments, numbers. What is not known is null."""

from __future__ import annotations

import math
from datetime import UTC, datetime

Document = dict[str, object]


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: float | None) -> float | int | None:
    """A number to nine significant digits, whole ones without a fraction; what is not finite is not known."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.9g}")
    return int(rounded) if rounded.is_integer() else rounded
