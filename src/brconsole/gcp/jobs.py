"""Cloud Run jobs: read through v2, changed through v1 under a `resourceVersion`, run and cancelled through v2.

Facts: reference/google-cloud-facts.md §2, §7, §9. RunJob has no request id, so it is sent once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from brconsole.domain.text import clean
from brconsole.gcp.apis import CANCEL_EXECUTION, GET_JOB, LIST_EXECUTIONS, LIST_LOG_ENTRIES, RUN, RUN_JOB, Method
from brconsole.gcp.caller import Caller, parsed
from brconsole.gcp.errors import UnreadableReplyError
from brconsole.gcp.filters import all_of, equals, quoted
from brconsole.gcp.quota import Lane
from brconsole.gcp.run_v1 import users_own
from brconsole.gcp.run_v1_jobs import JobDocument, RunV1Jobs
from brconsole.gcp.run_writer import check_text, told, writing
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.migration_ports import Execution, ExecutionState, JobLine, LiveJob

_EXECUTIONS_PAGE = 1000
"""Google keeps as many finished executions; it lowers the number to its own maximum."""
_LINES_PAGE = 1000
_STATUS_MOVES = 3
"""How often the status of a job may get ahead of a write before that is given up."""
_KEPT = 16
"""Documents kept for writes on their base."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEFORE = timedelta(minutes=1)
"""Nothing of an execution is looked for earlier than this before its creation; two clocks differ a little."""
_LONGEST_LINE = 64 * 1024
_EXECUTION_LABEL = 'labels."run.googleapis.com/execution_name"'

# google.cloud.run.v2.Condition.State and ExecutionReason
_FAILED, _SUCCEEDED = 3, 4
_CANCELLED = 3


class JobReader:
    """The `Jobs` port."""

    def __init__(
        self, caller: Caller, v1: RunV1Jobs, project: str, region: str, now: Callable[[], datetime | None]
    ) -> None:
        self._caller = caller
        self._v1 = v1
        self._project = project
        self._region = region
        self._now = now
        self._bases: OrderedDict[tuple[str, str], JobDocument] = OrderedDict()

    def resource(self, job: str) -> str:
        """The full name of a job."""
        return f"projects/{self._project}/locations/{self._region}/jobs/{job}"

    async def job(self, name: str) -> LiveJob | None:
        """See Jobs."""
        try:
            document = await self._v1.get(name, self.resource(name))
        except SourceFailure as failure:
            if failure.kind is FailureKind.NOT_FOUND:
                return None
            raise
        return self.keep(document)

    async def base(self, job: LiveJob) -> JobDocument:
        """The whole document of a job as it was read; raises CONFLICT where it is not to be had any more."""
        document = self._bases.get((job.name, job.version))
        if document is None:
            # A base that somebody else read: it still is one if nothing changed since.
            document = await self._v1.get(job.name, self.resource(job.name))
            if (document.image, document.annotations) != (job.image, dict(job.annotations)):
                refuse(self.resource(job.name), "it was changed since it was read")
        return document

    def keep(self, document: JobDocument) -> LiveJob:
        """The job of a document, which is kept for a write on it."""
        self._bases[(document.name, document.version)] = document
        while len(self._bases) > _KEPT:
            self._bases.popitem(last=False)
        return LiveJob(
            document.name,
            document.version,
            document.image,
            document.annotations,
            told(document.at, self._now, document.name),
            document.runtime_account,
            document.max_retries,
        )

    async def executions(self, name: str) -> tuple[Execution, ...]:
        """See Jobs. One call; the order of Google's list is not documented, so it is made here."""
        from google.cloud.run_v2.services.executions import ExecutionsAsyncClient

        parent = self.resource(name)
        async with self._caller.call(LIST_EXECUTIONS, parent) as call:
            client = await call.client(ExecutionsAsyncClient)
            pager = await client.list_executions({"parent": parent, "page_size": _EXECUTIONS_PAGE}, **call.options)
            found = [_execution(one, name) async for page in call.pages(pager) for one in page.executions]
        return tuple(sorted(found, key=lambda one: (one.created or _EPOCH, one.name), reverse=True))

    async def lines(self, execution: Execution, after: datetime | None) -> tuple[JobLine, ...]:
        """See Jobs. Lines of the moment `after` itself are among them: several may have been logged in it."""
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient

        project = f"projects/{self._project}"
        request = {
            "resource_names": [project],
            "filter": self._filter(execution, after),
            "order_by": "timestamp asc",
            "page_size": _LINES_PAGE,
        }
        async with self._caller.call(LIST_LOG_ENTRIES, f"{project} log of {execution.name}") as call:
            client = await call.client(LoggingServiceV2AsyncClient)
            pager = await client.list_log_entries(request, **call.options)
            return tuple([_line(entry) async for page in call.pages(pager) for entry in page.entries])

    def _filter(self, execution: Execution, after: datetime | None) -> str:
        since = after or (execution.created - _BEFORE if execution.created else None)
        terms = [
            equals("resource.type", "cloud_run_job"),
            equals("resource.labels.job_name", execution.job),
            equals("resource.labels.location", self._region),
            equals(_EXECUTION_LABEL, execution.name),
            # What the containers printed and what Cloud Run says of them, not who ran the job.
            f"logName : {quoted('run.googleapis.com')}",
        ]
        if since is not None:
            terms.append(f"timestamp >= {quoted(since.astimezone(UTC).isoformat().replace('+00:00', 'Z'))}")
        return all_of(*terms)


class JobRunner:
    """The `JobWriter` port."""

    def __init__(self, caller: Caller, v1: RunV1Jobs, reader: JobReader) -> None:
        self._caller = caller
        self._v1 = v1
        self._reader = reader

    async def replace(self, base: LiveJob, image: str | None, annotations: Mapping[str, str | None]) -> LiveJob:
        """See JobWriter. A job gets another version also when an execution of it begins or ends: where nothing else is
        another than in the base, it is the base still.
        """
        resource = self._reader.resource(base.name)
        check_text({**annotations, "image": image}, resource)
        document = await self._reader.base(base)
        for _ in range(_STATUS_MOVES):
            try:
                return await self._replaced(document, image, annotations, resource)
            except SourceFailure as failure:
                if failure.kind is not FailureKind.CONFLICT:
                    raise
                live = await self._v1.get(base.name, resource)
                if not live.asks_the_same(document):
                    raise
                document = live
        return await self._replaced(document, image, annotations, resource)

    async def _replaced(
        self, document: JobDocument, image: str | None, annotations: Mapping[str, str | None], resource: str
    ) -> LiveJob:
        content = document.replaced(image, annotations)
        with writing(resource, document.runtime_account, "the job", "read the job before anything is written again"):
            return self._reader.keep(await self._v1.replace(document.name, content, resource))

    async def run(self, base: LiveJob, args: Sequence[str], env: Mapping[str, str]) -> str:
        """See JobWriter. The job is read once more through v2, for its etag and to see that it still is as `base` was:
        whether Google itself refuses a run whose etag is stale is not known (facts §2).
        """
        from google.cloud import run_v2
        from google.cloud.run_v2.services.jobs import JobsAsyncClient

        resource = self._reader.resource(base.name)
        check_text({**env, **{f"argument {index}": text for index, text in enumerate(args)}}, resource)
        live = await self._call(
            GET_JOB, JobsAsyncClient, "get_job", run_v2.GetJobRequest(name=resource), resource, Lane.READ
        )
        raw = run_v2.Job.pb(live)
        with self._caller.reading(GET_JOB, resource):
            task = raw.template.template
            same = task.containers[0].image == base.image and users_own(raw.annotations) == dict(base.annotations)
        if not same:
            refuse(resource, "it was changed since it was read")
        request = run_v2.RunJobRequest(
            name=resource,
            etag=raw.etag,
            overrides=run_v2.RunJobRequest.Overrides(
                container_overrides=[
                    run_v2.RunJobRequest.Overrides.ContainerOverride(
                        args=list(args), env=[run_v2.EnvVar(name=name, value=value) for name, value in env.items()]
                    )
                ]
            ),
        )
        with writing(resource, base.service_account, "the job", "look through its executions before it is run again"):
            operation = await self._call(RUN_JOB, JobsAsyncClient, "run_job", request, resource, Lane.WRITE)
            with self._caller.reading(RUN_JOB, resource):
                started = run_v2.Execution.pb()()
                if not operation.metadata.Unpack(started) or not started.name:
                    raise UnreadableReplyError("it names no execution")
        return _short(started.name)

    async def cancel(self, execution: str, job: str) -> None:
        """See JobWriter."""
        from google.cloud import run_v2
        from google.cloud.run_v2.services.executions import ExecutionsAsyncClient

        resource = f"{self._reader.resource(job)}/executions/{execution}"
        request = run_v2.CancelExecutionRequest(name=resource)
        with writing(resource, "", "the job", "read the execution to see whether it ends"):
            await self._call(CANCEL_EXECUTION, ExecutionsAsyncClient, "cancel_execution", request, resource, Lane.WRITE)

    async def _call(self, method: Method, kind: type[Any], stub: str, request: Any, resource: str, lane: Lane) -> Any:
        """One message. Reads may be repeated, anything else is sent once: the generated client would also wrap an
        operation and wait for credentials of its own.
        """
        from google.api_core import grpc_helpers_async
        from google.api_core.gapic_v1 import routing_header

        async with self._caller.call(method, resource, lane) as call:
            client = await call.client(kind)
            send: Any = grpc_helpers_async.wrap_errors(getattr(client.transport, stub))  # type: ignore[no-untyped-call]
            header = routing_header.to_grpc_metadata((("name", resource),))  # type: ignore[no-untyped-call]

            async def attempt() -> Any:
                return await send(request, metadata=(header,), timeout=call.left_s)

            return parsed(await (call.retry(attempt)() if lane is Lane.READ else attempt()))


def _execution(message: Any, job: str) -> Execution:
    container = message.template.containers[0] if message.template.containers else None
    completed = next((one for one in message.conditions if one.type_ == "Completed"), None)
    return Execution(
        name=_short(message.name),
        job=job,
        state=_state(message, completed),
        image=container.image if container is not None else "",
        args=tuple(container.args) if container is not None else (),
        env={one.name: one.value for one in container.env if not one.HasField("value_source")}
        if container is not None
        else {},
        created=_moment(message.create_time),
        completed=_moment(message.completion_time),
        succeeded_count=message.succeeded_count,
        task_count=message.task_count,
        message=clean(completed.message, 1000) if completed is not None else "",
        log_uri=clean(message.log_uri, 2000),
    )


def _state(message: Any, completed: Any) -> ExecutionState:
    state = completed.state if completed is not None else 0
    if state == _SUCCEEDED:
        return ExecutionState.SUCCEEDED
    if state == _FAILED:
        cancelled = message.cancelled_count or completed.execution_reason == _CANCELLED
        return ExecutionState.CANCELLED if cancelled else ExecutionState.FAILED
    # It is over and nothing says how.
    return ExecutionState.UNKNOWN if message.completion_time.seconds else ExecutionState.RUNNING


def _line(entry: Any) -> JobLine:
    from google.logging.type import log_severity_pb2  # type: ignore[import-untyped]
    from google.protobuf.json_format import MessageToDict

    names = log_severity_pb2.LogSeverity.DESCRIPTOR.values_by_number
    severity = names[entry.severity].name if entry.severity in names else "DEFAULT"
    fields: dict[str, object] = {}
    text = entry.text_payload
    if entry.WhichOneof("payload") == "json_payload":
        fields = MessageToDict(entry.json_payload)
        said = fields.get("message")
        text = said if isinstance(said, str) else ""
    at = entry.timestamp.ToDatetime(tzinfo=UTC)
    return JobLine(at, severity, clean(text, _LONGEST_LINE), fields, entry.insert_id)


def refuse(resource: str, reason: str) -> NoReturn:
    """A job is not as it was read."""
    raise SourceFailure(FailureKind.CONFLICT, RUN.title, resource, reason, remedy="read it again")


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _moment(timestamp: Any) -> datetime | None:
    seconds: int = timestamp.seconds
    return _EPOCH + timedelta(seconds=seconds, microseconds=timestamp.nanos // 1000) if seconds else None
