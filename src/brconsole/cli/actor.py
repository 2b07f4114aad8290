"""Who it is that acts: the name in the journal, in the audit log and at the wheel."""

from __future__ import annotations

import getpass
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from brconsole.domain.text import clean

if TYPE_CHECKING:
    from brconsole.operations.ports import Cloud

IDENTITY_S = 3.0
"""Real seconds that it takes at most to learn one's own name."""
_LONGEST = 120


async def name_of(cloud: Cloud, endpoint: str | None) -> str:
    """The account that Google knows; behind an endpoint of our own, or where that is not told, the login here."""
    from brconsole.operations.timing import RealTiming, within

    async def identity() -> str:
        return await cloud.access.identity()

    if endpoint is None:
        with suppress(Exception):  # whatever the reason, the login name says who it was
            return clean(await within(identity(), IDENTITY_S, RealTiming()), _LONGEST)
    return login()


def login() -> str:
    """The login on this machine."""
    name = "unknown"
    with suppress(OSError, KeyError, ImportError):
        name = getpass.getuser()
    return clean(f"{name}@{socket.gethostname()}", _LONGEST)
