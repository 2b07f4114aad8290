"""The recovery scripts, run on a gcloud that records; Terraform is the real one, on a state in a file."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from offline import toolchains
from tree import Tree

FAKES = Path(__file__).parent / "fakes"
OBJECT = "gs://state-dev/env/default.tfstate"
LOCK = "gs://state-dev/env/default.tflock"
WRITES = {
    ("dns", "record-sets", "update"),
    ("sql", "backups", "restore"),
    ("sql", "import", "sql"),
    ("sql", "instances", "patch"),
}
CUTOVER = ["--project", "prod", "--zone", "public", "--name", "app.bytereview.ai", "--name", "api.bytereview.ai.",
           "--address", "dr", "--address-project", "cold"]  # fmt: skip
FAILOVER = ["--project", "cold", "--instance", "main-dr", "--source-instance", "main", "--source-project", "prod"]
DUMP = "gs://prod-database-dumps/bytereview.sql.gz"
IMPORT = ["--project", "cold", "--instance", "main-dr", "--dump", DUMP, "--database", "bytereview"]
NAMES = ["--zone", "public", "--name", "app.bytereview.ai", "--address", "dr", "--dns-project", "prod"]
WRITING = [
    ("dr_cutover.sh", CUTOVER),
    ("region_failover.sh", [*FAILOVER, *NAMES]),
    ("region_failover.sh", [*IMPORT, *NAMES]),
]

World = dict[str, Any]


@dataclass
class Ground:
    """A world, a folder of programs that is first on PATH, and what was called."""

    scripts: Path
    folder: Path
    world: World
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "gcloud").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKES / "gcloud"}" "$@"\n')
        (programs / "terraform").write_text(f'#!/bin/sh\nexec "{toolchains()["current"].terraform}" "$@"\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "CLOUDSDK_"))}
        self.environment = kept | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "FAKE_CALLS": str(self.folder / "calls"),
            "FAKE_WORLD": str(self.folder / "world.json"),
            "ATTEMPTS": "2",
            "PAUSE_SECONDS": "0",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TMPDIR": str(self.folder),
        }
        self.change()

    def change(self, **parts: Any) -> None:
        self.world |= parts
        (self.folder / "world.json").write_text(json.dumps(self.world))

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "calls").write_text("")
        done = subprocess.run(
            [self.scripts / script, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        self.world = json.loads((self.folder / "world.json").read_text())
        return done

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def writes(self) -> list[list[str]]:
        return [call for call in self.calls if tuple(call[:3]) in WRITES]


@pytest.fixture
def ground(tree: Tree, tmp_path: Path) -> Ground:
    world: World = {
        "addresses": {"dr": ["203.0.113.9", "IN_USE"], "idle": ["203.0.113.10", "RESERVED"]},
        "records": {
            "app.bytereview.ai.": ["198.51.100.1", "300"],
            "api.bytereview.ai.": ["198.51.100.1", "300"],
        },
        "instances": {
            "main-dr": {"region": "us-east1", "settings.activationPolicy": "NEVER", "state": "STOPPED"},
            "main-here": {"region": "us-central1", "settings.activationPolicy": "ALWAYS", "state": "RUNNABLE"},
        },
        "backups": {"main": [["1700", "2026-11-27T03:10:00Z"]]},
        "dumps": {DUMP: "2026-11-27T04:10:00+0000"},
        "services": {"api": "True", "frontend": "True"},
        "locks": {},
        "objects": {},
    }
    return Ground(tree.infra / "scripts", tmp_path, world)


# -- all of them ----------------------------------------------------------------------------------------------------


def test_the_shell_has_no_trap_in_it(tree: Tree) -> None:
    scripts = [*tree.scripts, *(tree.root / "scripts").glob("setup*[!.py]")]
    checker = Path(sys.executable).parent / "shellcheck"
    command = [checker, "--external-sources", f"--source-path={tree.infra / 'scripts'}", *scripts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_script_for_each_disaster(tree: Tree) -> None:
    assert {script.name for script in tree.scripts} >= {"dr_cutover.sh", "region_failover.sh", "state_restore.sh"}


def runnable(script: Path) -> bool:
    return os.access(script, os.X_OK)


def test_help_says_how_it_is_called_and_calls_nothing(ground: Ground, script_file: Path) -> None:
    if not runnable(script_file):
        assert script_file.name == "common.sh"
        return
    done = ground.run(script_file.name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    flags = set(re.findall(r"^    (--[\w-]+)\)", script_file.read_text(), re.MULTILINE)) | {"--dry-run", "--yes"}
    assert {flag for flag in flags if flag not in done.stdout} == set()
    assert "Exit status" in done.stdout
    assert ground.calls == []


@pytest.mark.parametrize(
    ("script", "arguments", "complaint"),
    [
        ("dr_cutover.sh", CUTOVER[2:], "--project is missing"),
        ("dr_cutover.sh", [*CUTOVER[:2], *CUTOVER[4:]], "--zone is missing"),
        ("dr_cutover.sh", [*CUTOVER, "--ttl", "soon"], "not soon"),
        ("dr_cutover.sh", [*CUTOVER, "--ttl"], "--ttl wants a value"),
        ("dr_cutover.sh", ["--project", "--zone"], "--project wants a value"),
        ("dr_cutover.sh", [*CUTOVER, "--force"], "unknown argument: --force"),
        ("state_restore.sh", ["--bucket", "b", "--prefix", "env"], "--directory is missing"),
        ("state_restore.sh", ["--bucket", "b", "--prefix", "env", "--directory", "/nowhere"], "no directory"),
        ("region_failover.sh", FAILOVER[:4], "--source-instance is missing"),
        ("region_failover.sh", IMPORT[:-2], "--database is missing"),
        ("region_failover.sh", [*FAILOVER, "--dump", DUMP], "exclude each other"),
        ("region_failover.sh", [*FAILOVER[:4], "--dump", "dump.sql"], "gs://BUCKET/OBJECT"),
        ("region_failover.sh", [*FAILOVER, "--zone", "public"], "--address is missing"),
        ("region_failover.sh", [*FAILOVER, "--name", "a.b"], "--zone is missing"),
        ("region_failover.sh", ["--project", "p", "--instance", "i", "--source-instance", "i"], "overwrite"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_called(
    ground: Ground, script: str, arguments: list[str], complaint: str
) -> None:
    done = ground.run(script, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert ground.calls == []


@pytest.mark.parametrize(
    ("script", "arguments"), [("dr_cutover.sh", CUTOVER), ("region_failover.sh", [*FAILOVER, *NAMES])]
)
def test_a_dry_run_says_what_it_would_do_and_writes_nothing(ground: Ground, script: str, arguments: list[str]) -> None:
    done = ground.run(script, *arguments, "--dry-run", "--yes")
    assert done.returncode == 0, done.stderr
    assert "would run: gcloud" in done.stdout
    assert ground.writes == []


@pytest.mark.parametrize(
    ("script", "arguments"), [("dr_cutover.sh", CUTOVER), ("region_failover.sh", [*FAILOVER, *NAMES])]
)
def test_without_yes_nothing_is_written(ground: Ground, script: str, arguments: list[str]) -> None:
    done = ground.run(script, *arguments)
    assert done.returncode == 3
    assert "add --yes to run gcloud" in done.stderr
    assert ground.writes == []


@pytest.mark.parametrize(
    ("script", "arguments"), [("dr_cutover.sh", CUTOVER), ("region_failover.sh", [*FAILOVER, *NAMES])]
)
def test_a_second_run_changes_nothing(ground: Ground, script: str, arguments: list[str]) -> None:
    first = ground.run(script, *arguments, "--yes")
    assert first.returncode == 0, first.stderr
    assert ground.writes
    second = ground.run(script, *arguments, "--yes")
    assert second.returncode == 0, second.stderr
    assert ground.writes == []


# -- the names ------------------------------------------------------------------------------------------------------


def test_names_point_at_the_cold_environment(ground: Ground) -> None:
    done = ground.run("dr_cutover.sh", *CUTOVER, "--yes")
    assert done.returncode == 0, done.stderr
    assert set(map(tuple, ground.world["records"].values())) == {("203.0.113.9", "60")}
    assert "to go back: gcloud dns record-sets update app.bytereview.ai. " in done.stderr
    assert "--rrdatas=198.51.100.1 --ttl=300" in done.stderr


def test_a_record_that_does_not_change_stops_the_others(ground: Ground) -> None:
    ground.change(stuck=True)
    done = ground.run("dr_cutover.sh", *CUTOVER, "--yes")
    assert done.returncode == 1
    assert "app.bytereview.ai. is 198.51.100.1\t300, not 203.0.113.9\t60" in done.stderr
    assert [call[3] for call in ground.writes] == ["app.bytereview.ai."]


def test_a_missing_record_is_found_before_the_first_is_changed(ground: Ground) -> None:
    done = ground.run("dr_cutover.sh", *CUTOVER, "--name", "old.bytereview.ai", "--yes")
    assert done.returncode == 1
    assert "no A record for old.bytereview.ai" in done.stderr
    assert ground.writes == []


@pytest.mark.parametrize(("address", "complaint"), [("idle", "not IN_USE"), ("none", "cannot be read")])
def test_names_never_move_to_where_nothing_answers(ground: Ground, address: str, complaint: str) -> None:
    done = ground.run("dr_cutover.sh", *CUTOVER, "--address", address, "--yes")
    assert done.returncode == 1
    assert complaint in done.stderr
    assert ground.writes == []


# -- the region -----------------------------------------------------------------------------------------------------


def test_the_cold_environment_is_started_filled_checked_and_named(ground: Ground) -> None:
    done = ground.run("region_failover.sh", *FAILOVER, *NAMES, "--yes")
    assert done.returncode == 0, done.stderr
    assert ground.world["filled"] == ["main-dr", "RESTORE_VOLUME", "1700"]
    assert ground.world["records"]["app.bytereview.ai."] == ["203.0.113.9", "60"]
    assert [call[:3] for call in ground.writes] == [
        ["sql", "instances", "patch"],
        ["sql", "backups", "restore"],
        ["dns", "record-sets", "update"],
    ]


def test_where_the_region_took_the_backups_key_along_the_dump_is_imported(ground: Ground) -> None:
    done = ground.run("region_failover.sh", *IMPORT, *NAMES, "--yes")
    assert done.returncode == 0, done.stderr
    assert ground.world["filled"] == ["main-dr", "IMPORT", DUMP]
    assert ground.world["records"]["app.bytereview.ai."] == ["203.0.113.9", "60"]


def test_a_missing_dump_is_found_before_anything_is_started(ground: Ground) -> None:
    ground.change(dumps={})
    done = ground.run("region_failover.sh", *IMPORT, "--yes")
    assert done.returncode == 1
    assert "--all-versions" in done.stderr
    assert ground.writes == []


def test_names_stay_where_a_service_is_not_ready(ground: Ground) -> None:
    ground.change(services={"api": "True", "frontend": "False"})
    done = ground.run("region_failover.sh", *FAILOVER, *NAMES, "--yes")
    assert done.returncode == 1
    assert "frontend is not ready in us-east1" in done.stderr
    assert ground.world["records"]["app.bytereview.ai."] == ["198.51.100.1", "300"]


def test_a_database_that_does_not_start_is_not_restored(ground: Ground) -> None:
    ground.change(stuck=True)
    done = ground.run("region_failover.sh", *FAILOVER, "--yes")
    assert done.returncode == 1
    assert "activation policy of main-dr is NEVER, not ALWAYS" in done.stderr
    assert [call[:3] for call in ground.writes] == [["sql", "instances", "patch"]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(FAILOVER, "the RESTORE_VOLUME of backup 1700 is"), (IMPORT, f"the IMPORT of {DUMP} is")],
)
def test_a_database_that_was_not_filled_stops_before_the_names(
    ground: Ground, arguments: list[str], complaint: str
) -> None:
    ground.change(filling_fails=True)
    done = ground.run("region_failover.sh", *arguments, *NAMES, "--yes")
    assert done.returncode == 1
    assert f"{complaint} nothing, not DONE" in done.stderr
    assert ["run", "services", "list"] not in [call[:3] for call in ground.calls]


def test_a_running_operation_is_waited_for_by_a_person(ground: Ground) -> None:
    ground.change(operation="9f3c")
    done = ground.run("region_failover.sh", *FAILOVER, "--yes")
    assert done.returncode == 4
    assert "gcloud sql operations wait 9f3c" in done.stderr
    assert ground.writes == []


def test_an_instance_of_the_lost_region_is_never_overwritten(ground: Ground) -> None:
    done = ground.run("region_failover.sh", *FAILOVER, "--instance", "main-here", "--yes")
    assert done.returncode == 1
    assert "is in us-central1, not in us-east1" in done.stderr
    assert ground.writes == []


@pytest.mark.parametrize("backup", ["1", "1699"])
def test_an_unknown_backup_is_refused(ground: Ground, backup: str) -> None:
    done = ground.run("region_failover.sh", *FAILOVER, "--backup", backup, "--yes")
    assert done.returncode == 1
    assert "no such backup" in done.stderr
    assert ground.writes == []


# -- the state ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stated(ground: Ground) -> Ground:
    """A directory with two applies behind it; the bucket holds the first state as version 1."""
    directory = ground.folder / "env"
    directory.mkdir()

    def terraform(*arguments: str) -> str:
        program = ground.folder / "bin" / "terraform"
        command = [program, f"-chdir={directory}", *arguments]
        done = subprocess.run(command, env=ground.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    versions = {}
    for generation, value in (("1", "first"), ("2", "second")):
        (directory / "main.tf").write_text(f'resource "terraform_data" "main" {{\n  input = "{value}"\n}}\n')
        if generation == "1":
            terraform("init", "-input=false")
        terraform("apply", "-input=false", "-auto-approve")
        versions[generation] = json.loads(terraform("state", "pull"))
    ground.change(objects={OBJECT: versions})
    return ground


def restore(ground: Ground, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ["--bucket", "state-dev", "--prefix", "env", "--directory", str(ground.folder / "env")]
    return ground.run("state_restore.sh", *where, *arguments)


def stored(ground: Ground) -> World:
    state: World = json.loads((ground.folder / "env" / "terraform.tfstate").read_text())
    return state


def value_in(state: World) -> str:
    return str(state["resources"][0]["instances"][0]["attributes"]["input"]["value"])


def test_versions_are_listed_to_choose_from(stated: Ground) -> None:
    done = restore(stated)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{OBJECT}#1", f"{OBJECT}#2"]


def test_a_state_goes_back_to_a_version_with_a_later_serial(stated: Ground) -> None:
    before = stored(stated)
    done = restore(stated, "--generation", "1", "--keep", str(stated.folder / "kept"), "--yes")
    assert done.returncode == 10, done.stdout + done.stderr  # the directory says "second", so the plan is not empty
    after = stored(stated)
    assert (value_in(before), value_in(after)) == ("second", "first")
    assert after["lineage"] == before["lineage"]
    assert after["serial"] > before["serial"]
    assert f"restored: serial {after['serial']}" in done.stderr
    (kept,) = (stated.folder / "kept").iterdir()
    assert value_in(json.loads(kept.read_text())) == "second"
    assert kept.stat().st_mode & 0o077 == 0
    assert "where state and cloud differ" in done.stderr


def test_a_restored_state_whose_plan_is_empty_is_done(stated: Ground) -> None:
    (stated.folder / "env" / "main.tf").write_text('resource "terraform_data" "main" {\n  input = "first"\n}\n')
    done = restore(stated, "--generation", "1", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the plan is empty" in done.stderr


def test_a_second_restore_changes_nothing(stated: Ground) -> None:
    restore(stated, "--generation", "1", "--yes")
    before = stored(stated)
    done = restore(stated, "--generation", "1", "--yes")
    assert done.returncode == 0, done.stderr
    assert "already is what version 1 holds" in done.stderr
    assert stored(stated) == before


@pytest.mark.parametrize(("flags", "status"), [(["--dry-run", "--yes"], 0), ([], 3)])
def test_a_state_is_not_written_without_being_told_to(stated: Ground, flags: list[str], status: int) -> None:
    before = stored(stated)
    done = restore(stated, "--generation", "1", *flags)
    assert done.returncode == status, done.stderr
    assert "state push" in done.stdout + done.stderr
    assert stored(stated) == before


def test_a_locked_state_is_left_alone(stated: Ground) -> None:
    stated.change(locks={LOCK: 1679481957785980})
    before = stored(stated)
    done = restore(stated, "--generation", "1", "--yes")
    assert done.returncode == 4
    assert "terraform force-unlock 1679481957785980" in done.stderr
    assert stored(stated) == before


def test_a_state_of_another_lineage_is_refused(stated: Ground) -> None:
    objects = stated.world["objects"]
    objects[OBJECT]["1"]["lineage"] = "another"
    stated.change(objects=objects)
    before = stored(stated)
    done = restore(stated, "--generation", "1", "--yes")
    assert done.returncode == 1
    assert "of another lineage" in done.stderr
    assert stored(stated) == before


def test_an_unknown_version_is_refused(stated: Ground) -> None:
    done = restore(stated, "--generation", "3", "--yes")
    assert done.returncode == 1
    assert "no version 3" in done.stderr


def test_no_copy_of_a_state_is_left_lying_about(stated: Ground) -> None:
    """A state holds secrets: but for the copy that --keep asks for, the temporary folder is empty afterwards."""
    kept = stated.folder / "kept"
    restore(stated, "--generation", "1", "--keep", str(kept), "--yes")
    assert [path for path in stated.folder.rglob("*.tfstate") if not path.is_relative_to(kept)] == [
        stated.folder / "env" / "terraform.tfstate"
    ]


# -- gcloud itself --------------------------------------------------------------------------------------------------


def test_the_installed_gcloud_knows_every_call(stated: Ground) -> None:
    """Its own grammar, offline: commands, flags and choices. The subcommand is Google's internal one."""
    gcloud = shutil.which("gcloud")
    if not gcloud:
        pytest.skip("no gcloud is installed: the calls of the scripts are not checked against its grammar")
    calls = []
    for script, arguments in WRITING:
        assert stated.run(script, *arguments, "--yes").returncode == 0
        calls += stated.calls
    assert stated.run("region_failover.sh", *FAILOVER, "--backup", "1700", "--yes").returncode == 0
    calls += stated.calls
    assert restore(stated, "--generation", "1", "--yes").returncode == 10
    calls += stated.calls
    # The checker fails on quotes that are not needed, such as those around a `#`.
    strings = sorted({" ".join(shlex.quote(w) if " " in w else w for w in ["gcloud", *call]) for call in calls})
    assert len(strings) > 15
    commands = [{"command_string": string} for string in strings]
    file = stated.folder / "commands.json"
    file.write_text(json.dumps(commands))
    done = subprocess.run(
        [gcloud, "meta", "lint-gcloud-commands", f"--commands-file={file}"],
        env={**os.environ, "CLOUDSDK_CONFIG": str(stated.folder / "gcloud"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Invalid choice" in done.stderr:
        pytest.skip("this gcloud has no `meta lint-gcloud-commands`: the calls are not checked against its grammar")
    verdicts = json.loads(done.stdout)
    assert len(verdicts) == len(commands)
    assert [(v["command_string"], v["error_message"]) for v in verdicts if not v["success"]] == []
