"""One write to the migration job as it is put to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from brconsole.domain.plan import Confirmation


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What is written to a Cloud Run job, or started of it. Nothing in it follows a screen."""

    action: str
    """Dotted id, such as `migration.run`."""
    environment: str
    project: str
    region: str
    job: str
    reason: str
    confirmation: Confirmation
    what: str
    """In one sentence, such as `run 3 migrations, ae09 → ae12`."""
    before: Mapping[str, object] = field(default_factory=dict, hash=False)
    after: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def resource(self) -> str:
        """The job's full resource name."""
        return f"projects/{self.project}/locations/{self.region}/jobs/{self.job}"
