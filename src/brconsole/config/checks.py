"""Whether values that have the right type also make sense, alone and together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection

from brconsole.config.convert import Locate
from brconsole.config.errors import ConfigError, listed, nearest, shown
from brconsole.config.origins import KeyPath, dotted
from brconsole.config.schema import Budget, Config, EnvironmentTable, Plan
from brconsole.config.values import check_freeze_window, check_loopback_endpoint, parse_duration


def _pattern(expression: str, meaning: str) -> Callable[[str], None]:
    compiled = re.compile(expression, re.ASCII)

    def check(text: str) -> None:
        if not compiled.fullmatch(text):
            raise ValueError(meaning)

    return check


_check_name = _pattern(r"[A-Za-z][A-Za-z0-9_-]{0,39}", "letters, digits, - and _, beginning with a letter")
_check_project = _pattern(
    r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "a Google Cloud project id, such as bytereview-prod"
)
_check_region = _pattern(r"[a-z]+(?:-[a-z]+)+\d{1,2}", "a Google Cloud region, such as us-central1")
_check_currency = _pattern(r"[A-Z]{3}", "an ISO 4217 code, such as USD")
_check_billing_account = _pattern(
    r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}", "a billing account id, such as 01A2B3-C4D5E6-F70819"
)
_check_table = _pattern(
    r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]\.[A-Za-z0-9_]{1,1024}\.[A-Za-z0-9_-]{1,1024}",
    "project.dataset.table, such as bytereview-prod.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819",
)
_check_metric = _pattern(
    r"[a-z0-9.-]+(?:/[A-Za-z0-9_.-]+)+", "a metric type, such as custom.googleapis.com/arq/queue_depth"
)
_check_colour = _pattern(r"#[0-9A-Fa-f]{6}|[a-z][a-z_]*", "a colour's name, or #rrggbb")
_check_filled = _pattern(r"\S(?:.*\S)?", "a text that is not empty")


def check_config(config: Config, locate: Locate, command_names: Collection[str]) -> None:
    """Raise ConfigError for the first value that cannot be meant."""
    for name, environment in config.environments.items():
        path: KeyPath = ("environments", name)
        _apply(_check_name, name, path, locate, what=f"bad environment name {shown(name)}")
        if name in command_names:
            raise ConfigError(
                f"environment {name} has the name of a command, so `brconsole {name}` would not open it",
                where=locate(path),
                allowed="any name that is no command",
            )
        _check_environment(environment, path, locate)
    if config.default_environment not in config.environments:
        raise ConfigError(
            "unknown environment in default_environment",
            where=locate(("default_environment",)),
            found=shown(config.default_environment),
            allowed=listed(config.environments),
            nearest=nearest(config.default_environment, config.environments),
        )
    migrations = config.migrations
    for key, text in (
        ("alembic", migrations.alembic),
        ("job", migrations.job),
        ("python", migrations.python),
        ("postgres_bin", migrations.postgres_bin),
    ):
        _apply(_check_filled, text, ("migrations", key), locate)
    _apply(_check_folder, config.infra.folder, ("infra", "folder"), locate)
    _apply(_check_filled, config.infra.terraform, ("infra", "terraform"), locate)
    _apply(_check_limit, config.infra.timeout, ("infra", "timeout"), locate)
    _apply(_check_filled, config.interface.theme, ("interface", "theme"), locate)
    for action, keys in config.keymap.items():
        _apply(_check_filled, keys, ("keymap", action), locate)
    for key, endpoint in (("endpoint", config.endpoint), ("http_endpoint", config.http_endpoint)):
        _apply(check_loopback_endpoint, endpoint, (key,), locate)


def _check_folder(text: str) -> None:
    """Every environment has a folder of its own: two that shared one would show each other's drift."""
    if "{environment}" not in text or "{" in text.replace("{environment}", ""):
        raise ValueError("a folder with {environment} in its place, such as infra/envs/{environment}")


def _check_limit(text: str) -> None:
    if not parse_duration(text):
        raise ValueError("a duration above 0, such as 5m")


def _apply(
    check: Callable[[str], object], text: str | None, path: KeyPath, locate: Locate, what: str | None = None
) -> None:
    if text is None:
        return
    try:
        check(text)
    except ValueError as error:
        raise ConfigError(
            what or f"bad value of {dotted(path)}",
            where=locate(path),
            found=None if what else shown(text),
            allowed=str(error),
        ) from None


def _check_environment(environment: EnvironmentTable, path: KeyPath, locate: Locate) -> None:
    _apply(_check_project, environment.project, (*path, "project"), locate)
    _apply(_check_region, environment.region, (*path, "region"), locate)
    _apply(_check_colour, environment.colour, (*path, "colour"), locate)
    for index, service in enumerate(environment.release_group):
        _apply(_check_filled, service, (*path, "release_group", index), locate)
    if environment.budget is not None:
        _check_budget(environment.budget, (*path, "budget"), locate)
    if environment.plan is not None:
        _check_plan(environment.plan, (*path, "plan"), locate)
    for index, window in enumerate(environment.gates.freeze):
        _apply(check_freeze_window, window, (*path, "gates", "freeze", index), locate)
    for name, queue in environment.queues.items():
        _apply(_check_metric, queue.metric, (*path, "queues", name, "metric"), locate)


def _check_budget(budget: Budget, path: KeyPath, locate: Locate) -> None:
    if not math.isfinite(budget.monthly):
        raise ConfigError(
            f"bad value of {dotted((*path, 'monthly'))}",
            where=locate((*path, "monthly")),
            found=shown(budget.monthly),
            allowed="a number above 0",
        )
    _apply(_check_currency, budget.currency, (*path, "currency"), locate)
    _apply(_check_billing_account, budget.billing_account, (*path, "billing_account"), locate)
    _apply(_check_table, budget.export_table, (*path, "export_table"), locate)


def _check_plan(plan: Plan, path: KeyPath, locate: Locate) -> None:
    steps = (*path, "steps")
    percents = [step.percent for step in plan.steps]
    for index, step in enumerate(plan.steps):
        _apply(parse_duration, step.dwell, (*steps, index, "dwell"), locate)
        if index and step.percent <= percents[index - 1]:
            raise ConfigError(
                f"percents of {dotted(steps)} do not ascend",
                where=locate((*steps, index, "percent")),
                found=f"{step.percent} after {percents[index - 1]}",
                allowed="each step larger than the one before",
            )
    if percents[-1:] != [100]:
        raise ConfigError(
            f"{dotted(steps)} does not end in 100",
            where=locate(steps if not percents else (*steps, len(percents) - 1, "percent")),
            found=str(percents[-1]) if percents else "no steps",
            allowed="a last step of 100",
        )
    deadline = (*path, "deadline")
    _apply(parse_duration, plan.deadline, deadline, locate)
    observed_s = sum(parse_duration(step.dwell) for step in plan.steps)
    if parse_duration(plan.deadline) <= observed_s:
        raise ConfigError(
            f"{dotted(deadline)} is over before the steps are",
            where=locate(deadline),
            found=shown(plan.deadline),
            allowed=f"more than the {observed_s // 60} min that the steps take",
        )
