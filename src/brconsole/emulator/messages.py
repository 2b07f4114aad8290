"""Small forms that the messages of several APIs share."""

from __future__ import annotations

import math
from typing import Any


def set_time(field: Any, at: float) -> None:
    """Write seconds since the epoch into a `google.protobuf.Timestamp`, to the microsecond."""
    field.seconds = math.floor(at)
    field.nanos = int((at % 1) * 1e6) * 1000
