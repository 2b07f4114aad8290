"""Cloud Run Admin API v1 over REST: one job read, and replaced under its `resourceVersion`.

Jobs are those of v2. That a job's conflict reads as a service's (facts §2) is not verified.
"""

from __future__ import annotations

import re
from typing import Any

from brconsole.emulator import quota
from brconsole.emulator.cloud import Rule
from brconsole.emulator.errors import invalid_argument, unimplemented
from brconsole.emulator.http import HttpApi, HttpRequest, Route
from brconsole.emulator.job_audit import record
from brconsole.emulator.run_checks import check_annotations, check_labels, conflict, in_region, may_run, missing
from brconsole.emulator.run_v1 import SYSTEM_PARAMETERS
from brconsole.emulator.run_v1_job_messages import (
    GROUP,
    job_document,
    resource_version,
    template_from,
    user_keys,
    version_number,
)
from brconsole.emulator.run_v1_messages import checked_head, child, shown_version
from brconsole.simulation.jobs import Job
from brconsole.simulation.model import Project

_JOB = f"/apis/{GROUP}/namespaces/{{project}}/jobs/{{job}}"
_REGION = re.compile(r"([a-z]+(?:-[a-z]+)+\d+)-")


class RunJobsV1(HttpApi):
    """Jobs as v1's objects: get and replace."""

    API = "run"
    ROUTES = (
        Route("GET", _JOB, "GetJob", Rule("run.jobs.get", quota.RUN_READ)),
        Route("PUT", _JOB, "ReplaceJob", Rule("run.jobs.update", quota.RUN_WRITE)),
    )

    def resource_of(self, request: HttpRequest) -> str:
        """The name in v2's form, which says the region."""
        project = self.cloud.project(request.params["project"])
        named = project.id if project else request.params["project"]
        return f"projects/{named}/locations/{self._region(request, project)}/jobs/{request.params['job']}"

    async def GetJob(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """One job."""
        self._only(request, frozenset())
        return self._shown(*self._find(request))

    async def ReplaceJob(self, request: HttpRequest) -> dict[str, Any]:  # noqa: N802
        """Writes the whole object, if its `resourceVersion` is the live one (or not given)."""
        self._only(request, frozenset({"dryRun"}))
        dry_run = request.query.get("dryRun")
        if dry_run not in (None, "all"):
            raise invalid_argument(f"Invalid value for dryRun: {dry_run}, only 'all' is allowed.", "dryRun")
        project, job = self._find(request)
        wanted = request.json()
        if not isinstance(wanted, dict):
            raise invalid_argument("Invalid JSON payload received: an object is wanted.")
        metadata = checked_head(wanted, GROUP, "Job", job.name, project)
        specified = child(metadata, "resourceVersion", str, "metadata")
        if specified and specified != resource_version(job):
            raise conflict(job.name, shown_version(specified), str(version_number(job)))
        annotations = user_keys(project, job, metadata, "annotations")
        check_annotations(annotations, job.annotations)
        labels = user_keys(project, job, metadata, "labels")
        check_labels(labels, job.labels)
        template = template_from(child(wanted, "spec", dict, "job"), job.template.service_account)
        may_run(self.cloud, project, template)
        if dry_run is None:
            job = self.cloud.jobs.book.replace(
                project.id,
                job.name,
                self.cloud.now(),
                self.cloud.principal,
                template=template,
                annotations=annotations,
                labels=labels,
            )
            resource = f"namespaces/{project.id}/jobs/{job.name}"
            method = "google.cloud.run.v1.Jobs.ReplaceJob"
            record(self.cloud, project, job.name, method, "run.jobs.update", resource)
        return self._shown(project, job)

    def _shown(self, project: Project, job: Job) -> dict[str, Any]:
        latest = self.cloud.jobs.book.execution(project.id, job.latest) if job.latest else None
        return job_document(project, job, latest)

    def _region(self, request: HttpRequest, project: Project | None) -> str:
        """The region of a host name; else that of the project."""
        match = _REGION.match(request.host)
        if match is not None:
            return match[1]
        return project.region if project is not None else "-"

    def _find(self, request: HttpRequest) -> tuple[Project, Job]:
        known, name = self.cloud.project(request.params["project"]), request.params["job"]
        region = self._region(request, known)
        project = in_region(known, region)
        job = self.cloud.jobs.book.job(project.id, name) if project else None
        if project is None or job is None:
            raise missing("JOB", name, region, request.params["project"])
        return project, job

    def _only(self, request: HttpRequest, allowed: frozenset[str]) -> None:
        for name in request.query:
            if name not in allowed and name not in SYSTEM_PARAMETERS:
                raise unimplemented(f"The query parameter {name} is not part of the embedded Google Cloud.")
