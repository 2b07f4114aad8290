"""`brconsole infra`: what it prints, how it ends, and that it needs neither a cloud nor an init."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from brconsole.cli import entry, exit_codes
from brconsole.cli import infra as commands
from brconsole.domain.infra import ActiveRollout
from plans import DEPLOYED, SPLIT, change, document, service
from terraform_fakes import calls, fake, root_module

LIVE = service(image=DEPLOYED, traffic=SPLIT, instances=77)
DRIFT = document(
    change(LIVE, service(image=DEPLOYED, traffic=SPLIT)),
    drift=[change(service(), LIVE)],
)
EXPECTED = document(change(service(image=DEPLOYED), service(image=DEPLOYED)))
HOSTILE = document(change(service(description="x"), service(description="[red]\x1b]0;owned\x07\u202e" + "y" * 9000)))
OUTPUTS = {
    "environment": {
        "sensitive": False,
        "type": "dynamic",
        "value": {"project": "br-dev-4821", "region": "us-central1", "services": ["api"]},
    },
    "password": {"sensitive": True, "type": "string", "value": "hunter2"},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project; Google is not asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "_reading", lambda *_: None)
    return tmp_path


def with_terraform(project: Path, **answers: object) -> Path:
    """A root module for staging, and a program that answers so."""
    root_module(project / "infra" / "envs" / "staging")
    program = fake(project / "bin", answers=answers)
    (project / "brconsole.toml").write_text('[infra]\nterraform = "bin/terraform"\n')
    return program


def plan_file(project: Path, plan: dict[str, Any]) -> str:
    (project / "plan.json").write_text(json.dumps(plan))
    return "plan.json"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_drift_is_told_apart_in_a_table_with_what_to_do(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["infra", "drift", "staging", "--plan", plan_file(project, DRIFT)]) == exit_codes.FAILED
    told = capsys.readouterr().out
    assert "unexpected drift: 1 change, 2 more expected" in told
    assert "20 → 77; an apply makes it 20" in told
    assert "Terraform, at the next apply" in told
    assert "pipeline; nobody fights" in told
    assert "release engine; nobody fights" in told
    assert "write the new value into the configuration if it is meant, else apply" in told
    assert "never applies" in told
    assert max(map(len, told.splitlines())) <= 200


def test_expected_drift_alone_is_no_failure(project: Path) -> None:
    assert entry.run(["infra", "drift", "staging", "--plan", plan_file(project, EXPECTED)]) == exit_codes.DONE


def test_json_has_the_verdict_first_and_a_line_a_change(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry.run(["infra", "drift", "staging", "--json", "--plan", plan_file(project, DRIFT)])
    verdict, *changes = lines(capsys)
    assert verdict["schema"] == "brconsole.infra-drift/1"
    assert (verdict["verdict"], verdict["changes"], verdict["unexpected"]) == ("unexpected drift", 3, 1)
    assert verdict["as_of"] == "2026-11-27T12:00:00Z"
    assert verdict["rollouts"] == []
    assert {one["schema"] for one in changes} == {"brconsole.infra-change/1"}
    assert [(one["path"], one["expected"], one["winner"]) for one in changes] == [
        ("template.scaling.max_instance_count", False, "terraform"),
        ("template.containers.image", True, "writer"),
        ("traffic", True, "writer"),
    ]
    assert changes[0]["recorded"] == {"state": "known", "value": 20}
    assert changes[0]["live"] == {"state": "known", "value": 77}
    assert changes[0]["after_apply"] == {"state": "known", "value": 20}


def test_plain_is_a_sentence_a_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry.run(["infra", "drift", "staging", "--plain", "--plan", plan_file(project, DRIFT)])
    told = capsys.readouterr().out.splitlines()
    assert all(line.endswith((".", "…")) for line in told)
    assert any(line.startswith("Unexpected: api (Cloud Run service), template.scaling") for line in told)


def test_a_plan_comes_on_standard_input_too(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(DRIFT).encode())))
    assert entry.run(["infra", "drift", "staging", "--plan", "-"]) == exit_codes.FAILED
    assert "a plan on standard input" in capsys.readouterr().out


@pytest.mark.parametrize("how", [["--json"], ["--plain"], []])
@pytest.mark.parametrize("command", ["drift", "plan"])
def test_hostile_values_cannot_steer_a_terminal(
    project: Path, command: str, how: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    entry.run(["infra", command, "staging", *how, "--plan", plan_file(project, HOSTILE)])
    told = capsys.readouterr().out
    assert "owned" in told
    assert "\x1b" not in told
    assert "\x07" not in told
    assert "\u202e" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [("no plan", "it is not JSON"), ("{}", "terraform show -json"), (None, "cannot be read")],
)
def test_a_file_that_is_no_plan_is_a_mistake_of_the_caller(
    project: Path, text: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (project / "plan.json").write_text(text)
    assert entry.run(["infra", "drift", "staging", "--plan", "plan.json"]) == exit_codes.USAGE
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""


def test_the_forms_exclude_each_other_and_a_plan_needs_no_init(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run(["infra", "drift", "staging", "--json", "--plain"]) == exit_codes.USAGE
    assert entry.run(["infra", "drift", "staging", "--init", "--plan", "x"]) == exit_codes.USAGE
    assert entry.run(["infra", "drift", "stagign"]) == exit_codes.USAGE
    assert "did you mean staging" in capsys.readouterr().err


def test_drift_is_read_from_terraform_without_an_init(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = with_terraform(project, plan="", show=DRIFT)
    assert entry.run(["infra", "drift", "staging"]) == exit_codes.FAILED
    assert "infra/envs/staging" in capsys.readouterr().out
    assert [call["argv"][0] for call in calls(program)] == ["version", "plan", "show"]  # type: ignore[index]


def test_an_init_comes_first_where_it_is_asked_for(project: Path) -> None:
    program = with_terraform(project, init="", plan="", show=EXPECTED)
    assert entry.run(["infra", "drift", "staging", "--init"]) == exit_codes.DONE
    assert [call["argv"][0] for call in calls(program)] == ["version", "init", "plan", "show"]  # type: ignore[index]


def test_a_rollout_that_is_read_meanwhile_forbids_an_apply(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_terraform(project, plan="", show=DRIFT)

    async def rollouts() -> tuple[ActiveRollout, ...]:
        return (ActiveRollout("frontend", "r-1"),)

    monkeypatch.setattr(commands, "_reading", lambda *_: rollouts)
    entry.run(["infra", "drift", "staging", "--json"])
    (verdict, *_) = lines(capsys)
    assert verdict["rollouts"] == [{"service": "frontend", "what": "r-1"}]
    assert "no apply now: r-1 is active on frontend" in verdict["no_apply"]


def test_a_plan_says_what_an_apply_would_do_and_is_no_failure(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_terraform(project, plan="", show=DRIFT)
    assert entry.run(["infra", "plan", "staging"]) == exit_codes.DONE
    told = capsys.readouterr()
    assert "an apply would have 1 to update, 0 unchanged" in told.out
    assert "77 → 20" in told.out
    assert entry.run(["infra", "plan", "staging", "--json"]) == exit_codes.DONE
    counts, only = lines(capsys)
    assert (counts["schema"], counts["update"], counts["none"]) == ("brconsole.infra-plan/1", 1, 0)
    assert only["differences"] == [
        {
            "path": "template.scaling.max_instance_count",
            "before": {"state": "known", "value": 77},
            "after": {"state": "known", "value": 20},
        }
    ]


def test_outputs_say_where_the_configuration_says_otherwise_and_hide_what_is_sensitive(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_terraform(project, output=OUTPUTS)
    for how in ([], ["--plain"], ["--json"], ["--toml"]):
        assert entry.run(["infra", "outputs", "staging", *how]) == exit_codes.DONE
        told = capsys.readouterr()
        assert "hunter2" not in told.out + told.err
        assert "project is br-stage-4821 in the configuration and br-dev-4821 in output" in told.out + told.err
    assert '[environments.staging]\nproject = "br-dev-4821"' in told.out


def test_without_outputs_it_says_what_that_may_mean(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_terraform(project, output={})
    assert entry.run(["infra", "outputs", "staging"]) == exit_codes.DONE
    told = capsys.readouterr()
    assert told.out == ""
    assert "has no outputs: nothing was applied yet" in told.err
    assert entry.run(["infra", "outputs", "staging", "--toml"]) == exit_codes.FAILED


def test_each_failure_has_its_own_exit_status(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["infra", "drift", "staging"]) == exit_codes.USAGE
    assert "there is no such folder (infra/envs/staging)" in capsys.readouterr().err
    with_terraform(project)
    said = {
        "Error: Invalid reference": exit_codes.FAILED,
        "Error: could not find default credentials": exit_codes.UNREACHABLE,
        "Error: Backend initialization required": exit_codes.USAGE,
    }
    for words, status in said.items():
        fake(project / "bin", f"sys.stderr.write({words!r}); sys.exit(1)")
        assert entry.run(["infra", "drift", "staging", "--json"]) == status
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("brconsole: Terraform: ")
        assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize("command", [["infra", "--help"], ["infra", "drift", "--help"]])
def test_the_help_says_that_nothing_is_applied(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(command) == exit_codes.DONE
    told = capsys.readouterr().out
    assert "never an apply" in told.lower() or "nothing is applied" in told.lower()
    assert "destroy" not in told
