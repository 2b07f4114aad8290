"""Whether Run v2 refuses a write under a stale etag: the documentation leaves it open (facts §2), so it is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brconsole.domain.traffic import TrafficTarget
from brconsole.gcp.run_v2 import RunV2
from brconsole.operations.failure import FailureKind, SourceFailure

BOGUS_ETAG = '"brconsole-probe"'
"""No version of any service."""


class EtagProbe:
    """The `WriteProbe` port."""

    def __init__(self, v2: RunV2) -> None:
        self._v2 = v2

    async def etag_enforced(self, service: str) -> bool:
        """See WriteProbe. What validation alone says is no proof: it need not look at the etag."""
        live = (await self._v2.get(service)).service
        await self._refused(service, live.desired, live.annotations, validate_only=True)
        return await self._refused(service, live.desired, live.annotations, validate_only=False)

    async def _refused(
        self, service: str, traffic: Sequence[TrafficTarget], annotations: Mapping[str, str], *, validate_only: bool
    ) -> bool:
        try:
            await self._v2.update(service, traffic, annotations, BOGUS_ETAG, validate_only=validate_only)
        except SourceFailure as failure:
            if failure.kind is FailureKind.CONFLICT:
                return True
            raise
        return False
