"""IAM over REST: whether the console may act as a service account. The question itself needs no permission.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/testIamPermissions
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from brconsole.gcp.apis import ACT_AS, IAM, TEST_ACCOUNT_PERMISSIONS
from brconsole.gcp.caller import Caller
from brconsole.operations.failure import SourceFailure

if TYPE_CHECKING:
    import httpx


class ServiceAccounts:
    """Questions about service accounts, of whichever project they belong to."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def may_act_as(self, account: str) -> bool | None:
        """Whether `iam.serviceAccounts.actAs` is held on an account, None where that cannot be asked."""
        path = f"/v1/projects/-/serviceAccounts/{quote(account, safe='')}:testIamPermissions"
        try:
            async with self._caller.call(TEST_ACCOUNT_PERMISSIONS, account) as call:

                async def attempt() -> httpx.Response:
                    return await call.rest("POST", IAM.host, path, json={"permissions": [ACT_AS]})

                answer = json.loads((await call.retry(attempt)()).content)
                return ACT_AS in answer.get("permissions", ())
        except SourceFailure:
            return None
