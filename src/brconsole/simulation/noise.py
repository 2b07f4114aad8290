"""Repeatable randomness: every draw is a hash of a stream's key and a counter, so no draw depends on an earlier one.

BLAKE2 and SHAKE are specified bit by bit, unlike `hash()` and the order of draws from a shared generator.
"""

from __future__ import annotations

import math
import struct
from hashlib import blake2b, shake_128
from statistics import NormalDist

_NORMAL_FROM = 24.0
"""Mean from which a Poisson count is drawn from its corrected normal approximation."""
_inverse_normal = NormalDist().inv_cdf


def stream(*parts: str | int) -> bytes:
    """The key of an independent stream of draws."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=32).digest()


def uniform(key: bytes, counter: int = 0) -> float:
    """A draw strictly between 0 and 1."""
    digest = blake2b(counter.to_bytes(8, "little", signed=True), key=key, digest_size=8).digest()
    return ((int.from_bytes(digest, "little") >> 12) + 0.5) / 4503599627370496.0


def uniforms(key: bytes, counter: int, n: int) -> list[float]:
    """n draws strictly between 0 and 1, with 32 bits each."""
    digest = shake_128(key + counter.to_bytes(8, "little", signed=True)).digest(4 * n)
    return [(word + 0.5) / 4294967296.0 for word in struct.unpack(f"<{n}I", digest)]


_NORMALS = tuple(_inverse_normal((i + 0.5) / 4096) for i in range(4096))


def normals(key: bytes, counter: int, n: int) -> list[float]:
    """n standard normal draws from 4096 equally likely values (a few microseconds for an hour of minutes)."""
    digest = shake_128(key + counter.to_bytes(8, "little", signed=True)).digest(2 * n)
    return [_NORMALS[word >> 4] for word in struct.unpack(f"<{n}H", digest)]


def normal(key: bytes, counter: int = 0) -> float:
    """A standard normal draw."""
    return _inverse_normal(uniform(key, counter))


def poisson(mean: float, u: float) -> int:
    """The Poisson count of that mean at the quantile u."""
    if mean <= 0.0:
        return 0
    if mean < _NORMAL_FROM:
        probability = math.exp(-mean)
        cumulative = probability
        count = 0
        while u > cumulative and count < 200:
            count += 1
            probability *= mean / count
            cumulative += probability
        return count
    z = _inverse_normal(u)
    return max(0, math.floor(mean + math.sqrt(mean) * z + (z * z - 1.0) / 6.0 + 0.5))


def hexadecimal(n: int, *parts: str | int) -> str:
    """n hexadecimal digits, for digests and unique ids."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=(n + 1) // 2).hexdigest()[:n]
