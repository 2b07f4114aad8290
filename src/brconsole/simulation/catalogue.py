"""What ByteReview is made of: projects, services, how each serves when it is well.

Facts only, nothing that changes with time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from brconsole.simulation.model import Project, Template
from brconsole.simulation.noise import hexadecimal, stream, uniform

REGION = "us-central1"

DEV = Project("br-dev-4821", 482100000001, "dev", REGION, 500.0)
STAGING = Project("br-stage-4821", 482100000002, "staging", REGION, 1500.0)
PROD = Project("bytereview-prod", 482100000003, "prod", REGION, 10000.0)
PROJECTS = (DEV, STAGING, PROD)
BY_ID = {project.id: project for project in PROJECTS}

OWNERS = ("platform", "documents", "growth", "billing", "search")


@dataclass(frozen=True, slots=True)
class Stratum:
    """Requests of one response code that share a latency law."""

    code: int
    share: float
    median_ms: float
    sigma: float
    tier: str = "plain"
    """`slow` ones come in gusts, which is what moves the p95; `cold` ones met a starting instance."""


@dataclass(frozen=True, slots=True)
class RequestProfile:
    """How a healthy revision answers. Shares are of all its requests; the rest is the quick 200."""

    quick_median_ms: float
    quick_sigma: float
    others: tuple[Stratum, ...]
    error_ratio: float
    """5xx of a healthy revision."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service of the fleet."""

    name: str
    role: str
    owner: str
    profile: RequestProfile | None
    requests_per_s: float
    """At 14:00 UTC on a weekday; 0 for workers."""
    queue: str | None
    min_instances: int
    max_instances: int
    requests_per_instance: float
    """Requests a second that one instance takes before another starts."""
    startup_median_ms: float
    created_days: float
    """Age at the world's start."""


_API = RequestProfile(
    46.0,
    0.45,
    (
        Stratum(200, 0.120, 160.0, 0.38, "slow"),
        Stratum(200, 0.0008, 2200.0, 0.35, "cold"),
        Stratum(204, 0.0900, 31.0, 0.40),
        Stratum(404, 0.0060, 12.0, 0.40),
        Stratum(429, 0.0008, 4.0, 0.40),
    ),
    0.00022,
)
_FRONTEND = RequestProfile(
    27.0,
    0.40,
    (
        Stratum(200, 0.120, 84.0, 0.38, "slow"),
        Stratum(200, 0.0006, 1500.0, 0.35, "cold"),
        Stratum(302, 0.0500, 9.0, 0.40),
        Stratum(404, 0.0090, 11.0, 0.40),
    ),
    0.00012,
)
_FILLER = RequestProfile(38.0, 0.50, (Stratum(404, 0.0080, 10.0, 0.40),), 0.0003)

_PEAK = {"dev": (4.0, 3.0), "staging": (32.0, 27.0), "prod": (400.0, 390.0)}
_MIN = {"dev": 0, "staging": 1, "prod": 3}


@cache
def core_services(environment: str) -> tuple[ServiceSpec, ...]:
    """The five services of the specification in one environment, by name."""
    api, frontend = _PEAK[environment]
    low = _MIN[environment]
    most = {"dev": 2, "staging": 4, "prod": 8}[environment]

    def worker(queue: str, owner: str, instances: int) -> ServiceSpec:
        return ServiceSpec(f"worker-{queue}", "worker", owner, None, 0.0, queue, 1, instances, 1.0, 1500.0, 71.0)

    return (
        ServiceSpec("api", "web", "platform", _API, api, None, low, 60, 31.0, 1350.0, 74.0),
        ServiceSpec("frontend", "web", "growth", _FRONTEND, frontend, None, low, 40, 68.0, 1150.0, 74.0),
        worker("cron", "platform", 1),
        worker("extract", "documents", most),
        worker("import", "documents", max(1, most // 2)),
    )


def fillers(seed: int, environment: str, services: int) -> tuple[ServiceSpec, ...]:
    """Further services that grow the fleet to `services`, `svc-001` first."""
    scale = {"dev": 0.01, "staging": 0.08, "prod": 1.0}[environment]
    specs = []
    for number in range(1, services - len(core_services(environment)) + 1):
        name = f"svc-{number:03d}"
        u = uniform(stream(seed, "filler", name))
        specs.append(
            ServiceSpec(
                name,
                "web",
                OWNERS[number % len(OWNERS)],
                _FILLER,
                scale * (0.4 + 14.0 * u * u),
                None,
                0,
                10,
                25.0,
                1200.0,
                40.0,
            )
        )
    return tuple(specs)


def template_of(project: str, service: ServiceSpec, number: int) -> Template:
    """What the nth revision of a service runs."""
    digest = "sha256:" + hexadecimal(64, "image", service.name, number)
    return Template(
        image=f"{REGION}-docker.pkg.dev/{project}/bytereview/{service.name}@{digest}",
        digest=digest,
        service_account=f"{service.name}-run@{project}.iam.gserviceaccount.com",
        min_instances=service.min_instances,
        max_instances=service.max_instances,
        concurrency=1 if service.queue else 80,
        env={"RELEASE": f"2.{number}.0"},
    )


_SUFFIX_ALPHABET = "bcdfghjkmnpqrstvwxz"


def revision_name(seed: int, project: str, service: str, number: int) -> str:
    """Cloud Run's own style: `api-00041-kq7`."""
    word = int(hexadecimal(12, "revision", seed, project, service, number), 16)
    letters = len(_SUFFIX_ALPHABET)
    suffix = (
        _SUFFIX_ALPHABET[word % letters] + _SUFFIX_ALPHABET[word // letters % letters] + str(2 + word // letters**2 % 8)
    )
    return f"{service}-{number:05d}-{suffix}"


def uid(*parts: str | int) -> str:
    """A unique id in the shape of a UUID."""
    digits = hexadecimal(32, "uid", *parts)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
