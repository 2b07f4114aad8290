"""A week's recommendations of Google's Recommender API for one project, as one Slack message.

Runs in a Cloud Run job as `python3 -c "$(cat digest.py)"`: standard library only, one file. It reads and posts; it
applies no recommendation. Exit status 0 posted, 1 something could not be read or posted, 2 a variable is missing.

    PROJECT_ID, SLACK_WEBHOOK_URL     required
    RECOMMENDERS                      LOCATION/RECOMMENDER, separated by commas
    METADATA_URL, RECOMMENDER_URL     where the two APIs are, for tests

API: https://cloud.google.com/recommender/docs/reference/rest/v1/projects.locations.recommenders.recommendations/list
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

TIMEOUT_S = 20
SHOWN = 12
PAGES = 20
PRIORITIES = ("P1", "P2", "P3", "P4")

Json = dict[str, Any]
UNREADABLE = (OSError, ValueError, http.client.HTTPException)


def tell(text: str) -> None:
    """One line for the job's log."""
    sys.stderr.write(f"{text}\n")


def asked(url: str, headers: dict[str, str], body: Json | None = None) -> bytes:
    """The answer to a GET, or to a POST of JSON; raises OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return bytes(answer.read())


def token(metadata_url: str) -> str:
    """An access token of the job's account."""
    url = f"{metadata_url}/computeMetadata/v1/instance/service-accounts/default/token"
    return str(json.loads(asked(url, {"Metadata-Flavor": "Google"}))["access_token"])


def recommendations(base: str, project: str, location: str, recommender: str, authorization: str) -> list[Json]:
    """The active recommendations of one recommender, all pages."""
    found: list[Json] = []
    parent = f"{base}/v1/projects/{project}/locations/{location}/recommenders/{recommender}/recommendations"
    page = ""
    for _ in range(PAGES):
        query = urllib.parse.urlencode({"filter": "stateInfo.state=ACTIVE", "pageSize": 100, "pageToken": page})
        answer: Json = json.loads(asked(f"{parent}?{query}", {"Authorization": f"Bearer {authorization}"}))
        found += answer.get("recommendations", [])
        page = answer.get("nextPageToken", "")
        if not page:
            break
    return found


def saving_usd(recommendation: Json) -> float:
    """What it saves in 30 days; 0 where it speaks of no cost or of another currency."""
    projection: Json = recommendation.get("primaryImpact", {}).get("costProjection", {})
    cost: Json = projection.get("cost", {})
    if cost.get("currencyCode", "USD") != "USD":
        return 0.0
    amount = int(cost.get("units", 0)) + int(cost.get("nanos", 0)) / 1e9  # a saving is a negative cost
    seconds = float(str(projection.get("duration", "2592000s")).removesuffix("s")) or 2592000.0
    return max(0.0, -amount) * 2592000.0 / seconds


def clean(text: str) -> str:
    """Text from outside without Slack's control characters and line breaks, at most 160 characters long."""
    escaped = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped if len(escaped) <= 160 else escaped[:159] + "…"


def message(project: str, found: list[Json], failed: list[str]) -> str:
    """The digest: the largest savings first, then by priority; what could not be read is said, never left out."""

    def order(recommendation: Json) -> tuple[float, int]:
        priority = str(recommendation.get("priority", ""))
        return -saving_usd(recommendation), PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)

    total = sum(saving_usd(recommendation) for recommendation in found)
    lines = [f"*Recommender, {clean(project)}*: {len(found)} open, about {total:,.0f} USD a month"]
    for recommendation in sorted(found, key=order)[:SHOWN]:
        saving = saving_usd(recommendation)
        category = str(recommendation.get("primaryImpact", {}).get("category", "")).lower()
        worth = f"{saving:,.0f} USD" if saving else clean(category) or "no estimate"
        lines.append(f"• {worth} · {clean(str(recommendation.get('description', 'without a description')))}")
    if len(found) > SHOWN:
        lines.append(f"… and {len(found) - SHOWN} more")
    if not found and not failed:
        lines.append("Nothing to do.")
    lines += [f"⚠ could not be read: {clean(failure)}" for failure in failed]
    lines.append(
        f"<https://console.cloud.google.com/home/recommendations?project={urllib.parse.quote(project)}|all of them>"
    )
    return "\n".join(lines)


def main() -> int:
    """Read every recommender, post once."""
    project, webhook = os.environ.get("PROJECT_ID", ""), os.environ.get("SLACK_WEBHOOK_URL", "")
    sources = [source for source in os.environ.get("RECOMMENDERS", "").split(",") if "/" in source]
    if not (project and webhook and sources):
        tell("PROJECT_ID, SLACK_WEBHOOK_URL and RECOMMENDERS must be set")
        return 2
    base = os.environ.get("RECOMMENDER_URL", "https://recommender.googleapis.com")
    found: list[Json] = []
    failed: list[str] = []
    try:
        authorization = token(os.environ.get("METADATA_URL", "http://metadata.google.internal"))
    except (*UNREADABLE, KeyError) as error:
        tell(f"no access token: {error}")
        return 1
    for source in sources:
        location, _, recommender = source.partition("/")
        try:
            found += recommendations(base, project, location, recommender, authorization)
        except UNREADABLE as error:
            failed.append(f"{recommender} in {location}: {error}")
            tell(failed[-1])
    try:
        asked(webhook, {}, {"text": message(project, found, failed)})
    except UNREADABLE as error:
        # The webhook's address is a secret, and some errors quote it.
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
        tell(f"Slack was not told: {reason}")
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
