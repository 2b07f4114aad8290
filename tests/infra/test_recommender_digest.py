"""infra/modules/recommender_digest/digest.py, run as the Cloud Run job runs it, against its three APIs on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPT = Path(__file__).parents[2] / "infra/modules/recommender_digest/digest.py"
COST = "google.run.service.CostRecommender"
IAM = "google.iam.policy.Recommender"


@dataclass
class Cloud:
    """The metadata server, Recommender and Slack; `answers` holds the pages of each recommender, None is a refusal."""

    answers: dict[str, list[dict[str, Any]] | None]
    slack_status: int = 200
    posted: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    cloud: Cloud

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.startswith("/computeMetadata/"):
            assert self.headers["Metadata-Flavor"] == "Google"
            self._answer(200, {"access_token": "a-token", "expires_in": 3600})
            return
        self.cloud.tokens.append(self.headers["Authorization"])
        pages = self.cloud.answers[path.split("/")[-2]]
        if pages is None:
            self._answer(403, {"error": {"message": "denied"}})
        else:
            self._answer(200, pages[int(query.get("pageToken", ["0"])[0])])

    def do_POST(self) -> None:
        self.cloud.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self._answer(self.cloud.slack_status, {})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Standard error belongs to the job."""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud({COST: [{}], IAM: [{}]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"cloud": made}))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def digest(cloud: Cloud, **changed: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "PROJECT_ID": "bytereview-test",
        "RECOMMENDERS": f"us-central1/{COST},global/{IAM}",
        "SLACK_WEBHOOK_URL": f"{cloud.url}/services/T0/B0/secret-part",
        "METADATA_URL": cloud.url,
        "RECOMMENDER_URL": cloud.url,
    }
    environment = {"PATH": os.environ["PATH"]} | settings | changed
    command = [sys.executable, "-c", SCRIPT.read_text()]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def saving(text: str, usd: int, priority: str = "P2", days: int = 30) -> dict[str, Any]:
    cost = {"currencyCode": "USD", "units": str(-usd)}
    projection = {"cost": cost, "duration": f"{days * 86_400}s"}
    return {
        "description": text,
        "priority": priority,
        "primaryImpact": {"category": "COST", "costProjection": projection},
    }


def test_the_largest_saving_stands_first_and_the_sum_is_for_a_month(cloud: Cloud) -> None:
    security = {
        "description": "Use an account of its own",
        "priority": "P1",
        "primaryImpact": {"category": "SECURITY"},
    }
    cloud.answers = {
        COST: [{"recommendations": [saving("Shrink api", 30), saving("Turn off a copy", 1200, days=365)]}],
        IAM: [{"recommendations": [security]}],
    }
    assert digest(cloud).returncode == 0
    (text,) = cloud.posted
    lines = text.splitlines()
    assert lines[0] == "*Recommender, bytereview-test*: 3 open, about 129 USD a month"
    assert lines[1:4] == [
        "• 99 USD · Turn off a copy",
        "• 30 USD · Shrink api",
        "• security · Use an account of its own",
    ]
    assert set(cloud.tokens) == {"Bearer a-token"}


def test_all_pages_are_read_and_a_long_list_says_how_many_more(cloud: Cloud) -> None:
    first = {"recommendations": [saving(f"Item {number}", 100 - number) for number in range(10)], "nextPageToken": "1"}
    cloud.answers[COST] = [first, {"recommendations": [saving(f"Late {number}", 1) for number in range(5)]}]
    assert digest(cloud).returncode == 0
    assert "15 open" in cloud.posted[0]
    assert "… and 3 more" in cloud.posted[0]


def test_what_could_not_be_read_is_told_and_is_no_success(cloud: Cloud) -> None:
    cloud.answers[IAM] = None
    done = digest(cloud)
    assert done.returncode == 1
    assert f"⚠ could not be read: {IAM} in global: HTTP Error 403" in cloud.posted[0]
    assert "Nothing to do" not in cloud.posted[0]
    assert IAM in done.stderr


def test_a_quiet_week_says_so(cloud: Cloud) -> None:
    assert digest(cloud).returncode == 0
    assert "Nothing to do." in cloud.posted[0]


def test_text_from_outside_cannot_mention_the_channel_or_break_a_line(cloud: Cloud) -> None:
    cloud.answers[COST] = [{"recommendations": [saving("<!channel> & <https://evil.test|click>\nnext", 5)]}]
    assert digest(cloud).returncode == 0
    assert "• 5 USD · &lt;!channel&gt; &amp; &lt;https://evil.test|click&gt; next" in cloud.posted[0].splitlines()


@pytest.mark.parametrize("address", ["refused", "not an address secret-part", "http://[secret-part"])
def test_a_post_that_fails_is_told_without_the_secret_address(cloud: Cloud, address: str) -> None:
    cloud.slack_status = 500
    done = digest(cloud) if address == "refused" else digest(cloud, SLACK_WEBHOOK_URL=address)
    assert done.returncode == 1
    assert "Slack was not told" in done.stderr
    assert "secret-part" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["PROJECT_ID", "SLACK_WEBHOOK_URL", "RECOMMENDERS"])
def test_a_missing_setting_is_named_and_nothing_is_posted(cloud: Cloud, missing: str) -> None:
    done = digest(cloud, **{missing: ""})
    assert done.returncode == 2
    assert missing in done.stderr
    assert cloud.posted == []
