"""The migrations of an environment: looked at, planned, approved, run and watched, for a person and a pipeline alike.

    view = await migrations.view()                                  # what is known, nothing written
    plan = await migrations.plan(tell=print)                        # an execution that reports, then its plan, checked
    made = await migrations.propose_approval(hash, "reviewed")      # a JobProposal to put to a person, or an Outcome
    made = await migrations.propose_run("release 42")
    outcome = await migrations.send(made, BY_DIALOG, tell=print)    # to the end of what it started

The production database is reached by the job alone. What is decided here is decided on the job, its executions and what
these logged; the project of the configuration adds the check of the revisions, if it is the code of the candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from brconsole.domain.annotation import Unreadable
from brconsole.domain.environment import Environment
from brconsole.domain.intent import PREV_TAG, Rollout, intent_of
from brconsole.domain.job import Execution, ExecutionState, JobLine, repository_of
from brconsole.domain.job_plan import JobPlan
from brconsole.domain.migration import RevisionReport, RunningCode, plan_hash
from brconsole.domain.migration_log import KEY, PlannedRun, Report, RunEnd
from brconsole.domain.migration_proof import out_of_reach, reads_of, recorded_reads
from brconsole.domain.migration_run import (
    LEAST_PREFIX,
    MOST_REVISIONS,
    Approval,
    RunRequest,
    Watch,
    attempt,
    decide,
    hash_meant,
    how_confirmed,
    release_id,
)
from brconsole.domain.migration_view import MigrationView, RunView
from brconsole.domain.plan import Confirmation
from brconsole.domain.service import Revision, Service
from brconsole.domain.text import clean
from brconsole.operations.failure import SourceFailure
from brconsole.operations.gateway import RUN, Gateway, Progress, WriteAction
from brconsole.operations.gateway_jobs import JobGateway, JobProposal, Sent, run_env
from brconsole.operations.migration_ports import MigrationProject
from brconsole.operations.migration_reader import MigrationReader
from brconsole.operations.outcome import Confirmed, Outcome, OutcomeKind, failed
from brconsole.operations.ports import Clock, Cloud
from brconsole.operations.timing import RealTiming, Timing

LOOK_S = 5.0
"""Between two looks at an execution under way, in service time."""
LEAST_LOOK_S = 1.0
"""The same in real time, at any speed."""
LATE_LOOKS = 8
"""After so many looks an execution that ended without a word has none: log entries arrive late."""
UNREACHABLE_LOOKS = 30
"""Failed looks in a row after which nobody watches any more; the run goes on by itself."""

Seen = Callable[[RunView], None]
"""Told how far an execution is, after each look; must not raise."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The code that a migration would make the database ready for."""

    service: str
    revision: Revision
    image: str
    """Pinned to its digest."""
    rollout: Rollout | None = None
    """The one under way that it is the canary of."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of the configured project says of a plan."""

    reports: tuple[RevisionReport, ...] = ()
    refused: tuple[str, ...] = ()
    """A sentence for each revision that may not run."""
    problem: str = ""
    """Why it says nothing of this plan: it could not be made, or the project is of other code."""


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as it is put to a reviewer."""

    view: MigrationView
    candidate: Candidate
    plan: PlannedRun | None
    """None where no execution of the candidate's code has told one."""
    checked: Checked = Checked()
    lost: tuple[str, ...] = ()
    """The revisions that it becomes impossible to roll back to."""
    notes: tuple[str, ...] = ()


class Migrations:
    """The migrations of one environment in one session. All methods belong to one loop."""

    def __init__(
        self,
        environment: Environment,
        gateway: Gateway,
        jobs: JobGateway,
        reader: MigrationReader,
        cloud: Cloud,
        clock: Clock,
        *,
        project: MigrationProject | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.environment = environment
        self.gateway = gateway
        self.jobs = jobs
        self.reader = reader
        self._cloud = cloud
        self._clock = clock
        self._project = project
        self._timing = timing or RealTiming()
        self._checked: tuple[object, tuple[RevisionReport, ...]] | None = None

    # ------------------------------------------------------------------------------------------------------- looking

    async def view(self) -> MigrationView | Outcome:
        """What is known, by what executions have told; nothing is written and no database asked."""
        try:
            return await self.reader.read()
        except SourceFailure as failure:
            return failed(RUN, failure, self.reader.job)

    async def look(
        self,
        mode: str = "status",
        service: str | None = None,
        tell: Progress | None = None,
        seen: Seen | None = None,
        revision: str | None = None,
    ) -> Outcome:
        """Have an execution of the job report (`status`, or `plan` with the candidate's code); waits for its word.

        `status` is told by the code that the job has now, or by that of a `revision`.
        """
        refused = self.jobs.refusal(WriteAction.LOOK)
        if refused is not None:
            return refused
        image: str | None = None
        if mode == "plan" or revision is not None:
            view = await self.view()
            candidate = view if isinstance(view, Outcome) else await self.candidate(view, service, revision)
            if isinstance(candidate, Outcome):
                return candidate
            image = candidate.image
        made = self._job_proposal(WriteAction.LOOK, f"look at the schema ({mode})", "", Confirmation.NONE)
        sent = await self.jobs.look(made, mode, image)
        if sent.execution is None or not sent.outcome.good:
            return sent.outcome
        return await self.watch(sent.execution, tell, seen)

    async def candidate(
        self, view: MigrationView, service: str | None = None, revision: str | None = None
    ) -> Candidate | Outcome:
        """The candidate of a service: a named revision, the canary of its rollout, or its latest ready revision.

        Without a service, the one whose image the job runs.
        """
        try:
            listed = await self._cloud.run.revisions()
            name = service or self._own_service(view, listed)
            if name is None:
                text = f"no service of {self.environment.name} has the image of the job {self.reader.job}"
                return Outcome(OutcomeKind.REFUSED, f"{text}; name one with --service", self.reader.job)
            live = (await self.gateway.read(name)).service
        except SourceFailure as failure:
            return failed(RUN, failure, service or self.reader.job)
        state = intent_of(live)
        rollout = state if isinstance(state, Rollout) and state.active and state.forward else None
        wanted = revision or (rollout.canary if rollout is not None else live.latest_ready)
        found = next((one for one in listed.get(name, ()) if one.name == wanted), None)
        if found is None:
            text = "no candidate is known" if wanted is None else f"{clean(wanted, 63)} does not exist"
            return Outcome(OutcomeKind.REFUSED, f"{name}: {text}", name)
        if found.ready is not True:
            why = clean(found.message or found.reason or "Cloud Run has not decided", 200)
            return Outcome(OutcomeKind.REFUSED, f"{name}: {found.name} is not ready: {why}", name)
        if found.digest is None:
            text = f"{name}: the image of {found.name} has no digest, so nobody could prove which code ran"
            return Outcome(OutcomeKind.REFUSED, f"{text}; deploy it by digest", name)
        prepared = rollout if rollout is not None and rollout.canary == found.name else None
        return Candidate(name, found, f"{repository_of(found.image)}@{found.digest}", prepared)

    def _own_service(self, view: MigrationView, listed: Mapping[str, tuple[Revision, ...]]) -> str | None:
        ours = None if view.job is None else repository_of(view.job.image)
        names = [name for name, of in sorted(listed.items()) if of and repository_of(of[0].image) == ours]
        named = [name for name in self.environment.release_group if name in names]
        return next(iter((*named, *names)), None)

    # ------------------------------------------------------------------------------------------------------ planning

    async def plan(
        self,
        service: str | None = None,
        tell: Progress | None = None,
        *,
        look: bool = True,
        revision: str | None = None,
        seen: Seen | None = None,
    ) -> PlanView | Outcome:
        """The plan of the candidate, by an execution that computes it now (`look`), or by the newest there is."""
        if look:
            looked = await self.look("plan", service, tell, seen, revision)
            if not looked.good:
                return looked
        view = await self.view()
        if isinstance(view, Outcome):
            return view
        candidate = await self.candidate(view, service, revision)
        if isinstance(candidate, Outcome):
            return candidate
        planned = view.plan(candidate.revision.digest)
        if planned is None:
            return PlanView(view, candidate, None)
        running = await self._running(view, candidate.service)
        checked = await self._check(view, planned, oldest(running, self.environment.name))
        known = {name: reads for name, reads in running.items() if reads is not None}
        lost = out_of_reach(known, view.live, planned.schema.index(planned.head))
        return PlanView(view, candidate, planned, checked, lost, _plan_notes(planned, checked, lost))

    async def running(self, view: MigrationView, service: str | None = None) -> RunningCode | None:
        """The oldest code beside the database; None where there is no service that the migrations come with."""
        candidate = await self.candidate(view, service)
        return (
            None
            if isinstance(candidate, Outcome)
            else oldest(await self._running(view, candidate.service), self.environment.name)
        )

    async def _running(self, view: MigrationView, service: str) -> dict[str, tuple[int, int] | None]:
        """The schemas that the revisions with traffic or the tag `prev` can live with, None where that is not known."""
        try:
            live = (await self.gateway.read(service)).service
            listed = await self._cloud.run.revisions()
        except SourceFailure:
            return {}
        digests = {one.name: one.digest for one in listed.get(service, ())}
        return {name: reads_of(digests.get(name), recorded_reads(live, name), view.reports) for name in _in_use(live)}

    async def _check(self, view: MigrationView, planned: PlannedRun, running: RunningCode) -> Checked:
        """What the configured project's check says of the pending revisions."""
        if self._project is None:
            return Checked(problem="no project is configured to check it with")
        if not planned.revisions:
            return Checked()
        applied, approval = planned.schema.applied, view.approval
        approved = approval.revisions if isinstance(approval, Approval) else None
        rows = {size.table: size.rows for size in planned.schema.tables or () if size.rows is not None}
        try:
            sources = await self._project.revisions()
            key = (
                applied,
                tuple((one.revision, one.source_sha256) for one in sources),
                tuple(sorted(rows.items())),
                running,
                approved,
            )
            if self._checked is not None and self._checked[0] == key:
                reports = self._checked[1]
            else:
                reports = await self._project.check(applied, rows, running, approved)
                self._checked = (key, reports)
        except SourceFailure as failure:
            return Checked(problem=f"the check could not be made: {failure}")
        mine = plan_hash(applied, [(report.source, report.upgrade_sql) for report in reports])
        if mine != planned.hash:
            text = f"the configured project has another plan ({mine[:12]}): check out the code of the candidate"
            return Checked(reports, problem=text)
        refused = tuple(
            f"{report.revision}: {', '.join(dict.fromkeys(one.rule for one in report.findings if one.refuses))}"
            for report in reports
            if any(finding.refuses for finding in report.findings)
        )
        return Checked(reports, refused)

    # ------------------------------------------------------------------------------------------------------ proposing

    async def propose_approval(
        self, prefix: str, reason: str, service: str | None = None, revision: str | None = None
    ) -> JobProposal | Outcome:
        """The approval of the current plan, which `prefix` must name."""
        refused = self.jobs.refusal(WriteAction.APPROVE)
        if refused is not None:
            return refused
        found = await self.plan(service, look=False, revision=revision)
        if isinstance(found, Outcome):
            return found
        planned = self._with_plan(found)
        if isinstance(planned, Outcome):
            return planned
        job = self.reader.job
        if not hash_meant(prefix, planned.hash):
            short = f" (at least {LEAST_PREFIX} characters)" if len(prefix) < LEAST_PREFIX else ""
            text = f"{clean(prefix, 64)} is not the current plan{short}, which is {planned.hash}: review that one"
            return Outcome(OutcomeKind.CONFLICT, text, job)
        if found.checked.problem or found.checked.refused:
            why = found.checked.problem or f"the check refuses it: {'; '.join(found.checked.refused)}"
            return Outcome(OutcomeKind.REFUSED, f"not approved: {why}", job, blocked_by=found.checked.refused)
        if len(planned.revisions) > MOST_REVISIONS:
            text = f"{len(planned.revisions)} revisions are more than one approval holds ({MOST_REVISIONS})"
            return Outcome(OutcomeKind.REFUSED, text, job)
        approval = found.view.approval
        if isinstance(approval, Approval) and approval.plan == planned.hash:
            by = clean(approval.by, 100)
            return Outcome(OutcomeKind.ALREADY_DONE, f"plan {planned.hash[:12]} is approved already, by {by}", job)
        before = {"approved": approval.plan} if isinstance(approval, Approval) else {}
        made = self._job_proposal(
            WriteAction.APPROVE,
            f"approve plan {planned.hash[:12]}: {told_plan(planned)}",
            reason,
            Confirmation.YES_NO,
            before,
            {"approved": planned.hash},
        )
        sources = {report.revision: report.source.source_sha256 for report in found.checked.reports}
        request = RunRequest("", planned, found.candidate.image)
        return replace(made, request=request, revisions=sources, notes=found.notes)

    async def propose_run(
        self, reason: str, service: str | None = None, *, revision: str | None = None, retry: bool = False
    ) -> JobProposal | Outcome:
        """The run of the candidate's plan; or that there is nothing to run, or why it may not.

        Where the run of this release exists already, the proposal only names it: sending it watches that one.
        """
        refused = self.jobs.refusal(WriteAction.MIGRATE)
        if refused is not None:
            return refused
        view = await self.view()
        if isinstance(view, Outcome):
            return view
        candidate = await self.candidate(view, service, revision)
        if isinstance(candidate, Outcome):
            return candidate
        existing = self._existing(view, candidate)
        if existing is not None:
            return existing
        found = await self.plan(service, look=False, revision=revision)
        if isinstance(found, Outcome):
            return found
        planned = self._with_plan(found)
        if isinstance(planned, Outcome):
            return planned
        return self._run_proposal(found, planned, reason, retry)

    def _existing(self, view: MigrationView, candidate: Candidate) -> JobProposal | None:
        """The run of this candidate that is under way: it is watched, whatever may have been planned since."""
        busy = view.under_way
        if busy is None or busy.image != candidate.image:
            return None
        made = self._job_proposal(WriteAction.MIGRATE, f"watch {busy.name}", "", Confirmation.NONE)
        return replace(made, existing=busy)

    def _run_proposal(self, found: PlanView, planned: PlannedRun, reason: str, retry: bool) -> JobProposal | Outcome:
        view, candidate, job = found.view, found.candidate, self.reader.job
        assert view.job is not None  # a plan was made by it
        if found.checked.problem:
            return Outcome(OutcomeKind.REFUSED, f"{job}: {found.checked.problem}", job)
        digest = candidate.revision.digest or ""
        group = self.environment.release_group or (candidate.service,)
        base = candidate.rollout.id if candidate.rollout is not None else ""
        base = base or release_id(self.environment.name, group, digest, planned.hash)
        request = RunRequest(
            attempt(base, view.executions, retry=retry),
            planned,
            candidate.image,
            found.checked.refused,
            f"brconsole migrate approve {self.environment.name} {planned.hash[:LEAST_PREFIX]}",
        )
        decision = decide(view.job, view.executions, request, view.job.server_time)
        ended = isinstance(decision, Watch) and not decision.execution.under_way
        if isinstance(decision, Watch) and ended and not decision.execution.succeeded:
            return self._failed_before(view.said(decision.execution))
        made = self._job_proposal(
            WriteAction.MIGRATE,
            told_plan(planned),
            reason,
            how_confirmed(planned, found.checked.reports),
            {"applied": planned.schema.applied, "image": view.job.image},
            {"applied": planned.head, "release": request.release, "plan": planned.hash, "image": candidate.image},
        )
        made = replace(made, request=request, env=run_env(request), notes=found.notes)
        if isinstance(decision, Watch):
            return replace(made, existing=decision.execution, plan=replace(made.plan, confirmation=Confirmation.NONE))
        stopped = self.jobs.stopped(decision)
        return made if stopped is None else stopped

    def _failed_before(self, said: Report) -> Outcome:
        ended = run_outcome(said, self.reader.job)
        text = f"this run failed before: {ended.sentence}; --retry starts it once more"
        return replace(ended, kind=OutcomeKind.REFUSED, sentence=text)

    def _with_plan(self, found: PlanView) -> PlannedRun | Outcome:
        """The plan where there is one with something in it."""
        job, name = self.reader.job, found.candidate.revision.name
        if found.plan is None:
            text = f"no current plan of {name} is known: brconsole migrate plan {self.environment.name}"
            return Outcome(OutcomeKind.REFUSED, f"{job}: {text}", job)
        if not found.plan.revisions:
            text = f"nothing is pending: the database is at {found.plan.schema.applied or 'no revision'}"
            return Outcome(OutcomeKind.ALREADY_DONE, f"{job}: {text}, which {name} wants", job)
        return found.plan

    async def propose_cancel(self, reason: str) -> JobProposal | Outcome:
        """The end of the run under way."""
        refused = self.jobs.refusal(WriteAction.CANCEL)
        if refused is not None:
            return refused
        view = await self.view()
        if isinstance(view, Outcome):
            return view
        busy = view.under_way
        if busy is None:
            return Outcome(OutcomeKind.ALREADY_DONE, f"{self.reader.job}: no run is under way", self.reader.job)
        made = self._job_proposal(
            WriteAction.CANCEL, f"cancel {busy.name}", reason, Confirmation.DIALOG, {"state": busy.state.value}
        )
        note = "what it has done already stays done: a revision is one transaction where that is possible"
        return replace(made, existing=busy, notes=(note,))

    def _job_proposal(
        self,
        action: WriteAction,
        what: str,
        reason: str,
        level: Confirmation,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> JobProposal:
        of = self.environment
        plan = JobPlan(
            action.value,
            of.name,
            of.project,
            of.region,
            self.reader.job,
            clean(reason, 500),
            level,
            what,
            before or {},
            after or {},
        )
        return JobProposal(plan)

    # -------------------------------------------------------------------------------------------------------- sending

    async def send(
        self,
        made: JobProposal | Outcome,
        confirmed: Confirmed,
        tell: Progress | None = None,
        seen: Seen | None = None,
        *,
        wait: bool = True,
    ) -> Outcome:
        """Send what was proposed. A run is watched to its end unless `wait` is False; an Outcome is passed on."""
        if isinstance(made, Outcome):
            return made
        action = WriteAction(made.plan.action)
        if action is WriteAction.APPROVE:
            assert made.request is not None
            return (await self.jobs.approve(made, made.request.plan.hash, confirmed)).outcome
        if action is WriteAction.CANCEL:
            assert made.existing is not None
            return await self._cancelled(await self.jobs.cancel(made, made.existing, confirmed), tell, seen, wait)
        if made.existing is not None:
            found = Outcome(OutcomeKind.ALREADY_DONE, f"already started: {made.existing.name}", self.reader.job)
            sent = Sent(found, made.existing)
        else:
            sent = await self.jobs.run(made, confirmed, tell)
        if sent.execution is None or not wait:
            return sent.outcome
        if not sent.started and tell is not None:
            tell(sent.outcome.sentence)
        outcome = await self.watch(sent.execution, tell, seen)
        return await self.jobs.told_end(made.plan, sent, outcome) if sent.started else outcome

    async def _cancelled(self, sent: Sent, tell: Progress | None, seen: Seen | None, wait: bool) -> Outcome:
        if sent.execution is None or not wait or sent.outcome.kind is not OutcomeKind.DONE:
            return sent.outcome
        ended = await self.watch(sent.execution, tell, seen)
        over = ended.kind is not OutcomeKind.UNREACHABLE
        return replace(ended, kind=OutcomeKind.DONE, entry=sent.outcome.entry) if over else ended

    async def watch(self, execution: Execution, tell: Progress | None = None, seen: Seen | None = None) -> Outcome:
        """Look at an execution until it has ended and said its last word. Whoever looks away changes nothing."""
        told, silent, failures = 0, 0, 0
        while True:
            problem = ""
            try:
                listed = await self.reader.executions()
            except SourceFailure as failure:
                problem = str(failure)
            else:
                current = next((one for one in listed if one.name == execution.name), None)
                execution = execution if current is None else current
                problem = await self.reader.hear(execution)
            failures = failures + 1 if problem else 0
            said, lines = self.reader.report(execution), self.reader.lines(execution)
            if tell is not None:
                for line in lines[told:]:
                    if _worth_telling(execution, line):
                        tell(clean(line.text, 300))
                if problem:
                    tell(problem)
            told = len(lines)
            if seen is not None:
                seen(RunView(said, lines, problem))
            if not execution.under_way:
                if _has_ended(said) or silent >= LATE_LOOKS:
                    return run_outcome(said, self.reader.job)
                silent += 1
            if failures >= UNREACHABLE_LOOKS:
                text = f"{execution.name} could not be watched any more ({problem}); it goes on, look again"
                return Outcome(OutcomeKind.UNREACHABLE, text, self.reader.job)
            await self._timing.sleep(max(LEAST_LOOK_S, LOOK_S / max(self._clock.speed, 1e-3)))


def told_plan(planned: PlannedRun) -> str:
    """What a plan does, in a few words."""
    count = len(planned.revisions)
    word = "migration" if count == 1 else "migrations"
    return f"{count} {word}, {planned.schema.applied or 'empty'} → {planned.head}"


def run_outcome(said: Report, job: str) -> Outcome:
    """How an execution ended, by its last word and by what Cloud Run says of it: an exit status alone is no proof."""
    execution, ended = said.execution, said.ended
    name = execution.name
    if execution.under_way:
        return Outcome(OutcomeKind.ACCEPTED, f"{name} is at work", job)
    if execution.mode != "run":
        if said.schema is not None and execution.succeeded:
            return Outcome(OutcomeKind.DONE, f"{name}: the database is at {said.schema.applied or 'no revision'}", job)
        why = clean(execution.message, 300) or "it ended without a word of the schema"
        return Outcome(OutcomeKind.FAILED, f"{name} told nothing: {why}", job)
    if ended is not None and ended.end is RunEnd.SENTINEL:
        if not execution.succeeded:
            text = f"{name}: the database is at {ended.applied}, and Cloud Run calls it {execution.state.value}"
            return Outcome(OutcomeKind.FAILED, f"{text}; look at the schema", job, page=True)
        if ended.applied != ended.head:
            text = f"{name}: the database is at {ended.applied}, head is {ended.head}"
            return Outcome(OutcomeKind.FAILED, text, job, page=True)
        took = "" if ended.seconds is None else f" in {ended.seconds:.1f} s"
        word = "was done before" if ended.already else f"done{took}"
        kind = OutcomeKind.ALREADY_DONE if ended.already else OutcomeKind.DONE
        return Outcome(kind, f"{name}: {word}, the database is at {ended.applied}", job)
    if ended is not None and ended.end is RunEnd.REFUSED:
        return Outcome(OutcomeKind.CONFLICT, f"{name} refused: {ended.reason}", job, page=True)
    stands = "; not known what the database stands at: look at the schema"
    if ended is not None:
        if ended.read_back:
            stands = f"; the database is at {ended.applied or 'no revision'}"
        at = f" at {ended.revision}" if ended.revision else ""
        return Outcome(OutcomeKind.FAILED, f"{name} failed{at}: {ended.reason}{stands}", job, page=True)
    word = "was cancelled" if execution.state is ExecutionState.CANCELLED else f"ended, {execution.state.value}"
    why = f" ({clean(execution.message, 300)})" if execution.message else ""
    kind = OutcomeKind.UNKNOWN if execution.succeeded else OutcomeKind.FAILED
    return Outcome(kind, f"{name} {word}{why}{stands}", job, page=True)


def _worth_telling(execution: Execution, line: JobLine) -> bool:
    """A run's own events and whatever is not well; what a look found is shown whole, and what Alembic chats is not."""
    return execution.mode == "run" and (KEY in line.fields or line.severity != "INFO")


def _has_ended(said: Report) -> bool:
    return said.ended is not None if said.execution.mode == "run" else said.schema is not None


def oldest(running: Mapping[str, tuple[int, int] | None], environment: str) -> RunningCode:
    """The oldest code of all that runs, by what it was built at; unknown where that of any is not known."""
    unknown = [name for name, reads in running.items() if reads is None]
    if unknown:
        how = f"brconsole migrate status {environment} --look --revision {unknown[0]} asks it"
        return RunningCode(None, f"what {', '.join(unknown)} was built at has nobody told; {how}")
    if not running:
        return RunningCode(None, "what runs could not be read")
    name, reads = min(((name, reads) for name, reads in running.items() if reads is not None), key=_built_at)
    return RunningCode(reads[0], name)


def _built_at(one: tuple[str, tuple[int, int]]) -> int:
    return one[1][0]


def _in_use(service: Service) -> tuple[str, ...]:
    """The revisions that a rollback or a request may reach: with traffic, or tagged as the way back."""
    serving = [name for name, share in {**service.serving_split(), **service.desired_split()}.items() if share]
    tagged = [target.revision for target in service.desired if target.tag == PREV_TAG and target.revision]
    return tuple(dict.fromkeys((*serving, *tagged)))


def _plan_notes(planned: PlannedRun, checked: Checked, lost: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if lost:
        notes.append(f"no rollback any more to {', '.join(lost)}: they cannot read schema {planned.head}")
    tried = {report.revision: report.reversible for report in checked.reports}
    oneway = [one.revision for one in planned.revisions if tried.get(one.revision) is False]
    if oneway:
        notes.append(f"not reversible: {', '.join(oneway)}")
    unknown = [one.revision for one in planned.revisions if tried.get(one.revision) is None]
    if unknown and not checked.problem:
        notes.append(f"not tried whether it can be undone: {', '.join(unknown)}")
    return tuple(notes)


def approval_told(approval: Approval | Unreadable | None) -> str:
    """Who approved what and when."""
    if approval is None:
        return "no plan is approved"
    if isinstance(approval, Unreadable):
        return f"the approval cannot be read: {approval.reason}"
    return f"{approval.plan[:12]} approved by {clean(approval.by, 100)} at {approval.at:%Y-%m-%d %H:%M} UTC"
