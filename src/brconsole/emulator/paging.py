"""Pages of a list, with Google's opaque tokens.

A token is bound to the request it belongs to: with another parent or filter it is refused, as Google does.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from typing import TypeVar

from brconsole.emulator.errors import ApiError, invalid_argument

T = TypeVar("T")


def page(
    items: Sequence[T], page_size: int, page_token: str, *, default: int, maximum: int, bound_to: str
) -> tuple[Sequence[T], str]:
    """One page of `items` and the token of the next one ("" on the last page).

    A size of 0 means `default`, a larger one than `maximum` is lowered to it. `bound_to` names the request (parent,
    filter, order).
    """
    size = page_size_of(page_size, default=default, maximum=maximum)
    offset = offset_of(page_token, bound_to)
    if offset > len(items):
        raise _bad_token()
    end = offset + size
    return items[offset:end], token_of(end, bound_to) if end < len(items) else ""


def page_size_of(page_size: int, *, default: int, maximum: int) -> int:
    """The number of entries a page holds."""
    if page_size < 0:
        raise invalid_argument(f"Page size must not be negative, got {page_size}.", "page_size")
    return min(page_size or default, maximum)


def token_of(position: object, bound_to: str) -> str:
    """The token for a list position: anything that JSON can hold."""
    text = json.dumps([position, zlib.crc32(bound_to.encode())], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def position_of(token: str, bound_to: str) -> object:
    """The list position of a token; raises INVALID_ARGUMENT for one that this list did not give out."""
    try:
        position, bound = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
        valid = bound == zlib.crc32(bound_to.encode())
    except (binascii.Error, ValueError, TypeError):
        valid, position = False, None
    if not valid:
        raise _bad_token()
    return position


def offset_of(token: str, bound_to: str) -> int:
    """The list position of a token that holds a number; the start where there is no token."""
    offset = position_of(token, bound_to) if token else 0
    if not isinstance(offset, int) or offset < 0:
        raise _bad_token()
    return offset


def _bad_token() -> ApiError:
    return invalid_argument("The page token is invalid or has expired.", "page_token")
