"""Projects that are broken, strange or unkind: each ends in a sentence or a finding, never in a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from alembic_projects import ENV, add, check, project, refusing, the

from brconsole.domain.migration import MigrationClass, RunningCode
from brconsole.integrations import alembic as integration
from brconsole.integrations import statements
from brconsole.integrations.alembic import AlembicProject
from brconsole.integrations.trial import TrialServer
from brconsole.operations.failure import FailureKind, SourceFailure
from brconsole.operations.migration_check import MigrationCheck
from brconsole.operations.migration_ports import Direction
from conftest import Ground

ADD = 'op.add_column("t", sa.Column("x", sa.Integer))'
DROP = 'op.drop_column("t", "x")'
MAKE = 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))'


async def _failure(ini: Path) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        await check(ini)
    assert "Traceback" not in str(caught.value)
    return caught.value


async def test_no_alembic_ini(tmp_path: Path) -> None:
    failure = await _failure(tmp_path / "alembic.ini")
    assert failure.kind is FailureKind.NOT_CONFIGURED
    assert "there is no file" in str(failure)


async def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    ini = project(tmp_path)
    with pytest.raises(SourceFailure, match=r"migrations\.python") as caught:
        async with AlembicProject(ini, "/nowhere/python").offline():
            pass
    assert caught.value.kind is FailureKind.NOT_CONFIGURED


async def test_an_interpreter_without_alembic(tmp_path: Path) -> None:
    ini = project(tmp_path)
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(SourceFailure, match="has no Alembic"):
        async with AlembicProject(ini, str(bare)).offline():
            pass


@pytest.mark.parametrize(
    ("ini", "words"),
    [
        ("[alembic]\n", "script_location"),
        ("[alembic]\nscript_location = elsewhere\n", "elsewhere"),
        ("this is no ini file", "MissingSectionHeader"),
        ("[alembic]\nscript_location = %(nothing)s/x\n", "nothing"),
    ],
)
async def test_a_wrong_configuration_is_told_in_one_sentence(ini: str, words: str, tmp_path: Path) -> None:
    assert words in str(await _failure(project(tmp_path, ini=ini)))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": "def upgrade(:\n"}, "a.py:1"),
        ({"a": "import no_such_library\nrevision = 'a'\ndown_revision = None\n"}, "no_such_library"),
        ({"a": "raise SystemExit(3)\n"}, "status 3"),
        ({"a": "revision = 'a'\ndown_revision = 'b'\n", "b": "revision = 'b'\ndown_revision = 'a'\n"}, "ycle"),
        (
            {"a": "revision = 'a'\ndown_revision = None\n", "b": "revision = 'a'\ndown_revision = None\n"},
            "more than once",
        ),
        ({"a": "revision = 'a'\ndown_revision = 'gone'\n"}, "gone"),
        ({"base": "revision = 'base'\ndown_revision = None\n"}, "base"),
    ],
    ids=["syntax", "import", "exit", "circle", "twice", "missing", "reserved"],
)
async def test_broken_revisions_are_told_in_one_sentence(files: dict[str, str], words: str, tmp_path: Path) -> None:
    ini = project(tmp_path)
    for name, text in files.items():
        (tmp_path / "migrations" / "versions" / f"{name}.py").write_text(text)
    failure = await _failure(ini)
    assert failure.kind is FailureKind.INVALID
    assert words in str(failure)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("raise RuntimeError('no settings')", "no settings"),
        ("import no_such_library", "no_such_library"),
        ("import os; os._exit(7)", "ended unexpectedly"),
        ("import sys; sys.exit('bye')", "bye"),
        ("pass", "ran no migration"),
    ],
)
async def test_a_broken_env_makes_every_revision_unknown(env: str, words: str, tmp_path: Path) -> None:
    ini = project(tmp_path, env)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    add(ini, "b", "a", ADD, DROP)
    reports = await check(ini)
    for report in reports.values():
        assert report.migration_class is MigrationClass.UNKNOWN
        assert "not-renderable" in refusing(report)
        assert any(words in finding.message for finding in report.findings)


async def test_what_the_project_prints_does_not_disturb(tmp_path: Path) -> None:
    noise = "import os, sys\nprint('{\"opened\": 1}')\nos.write(1, b'noise' * 100000)\nsys.stderr.write('x' * 300000)\n"
    ini = project(tmp_path, noise + ENV)
    add(ini, "a", None, "print('{}', flush=True)\n" + MAKE, 'op.drop_table("t")')
    assert refusing((await check(ini))["a"]) == []


async def test_one_that_never_ends_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration, "RENDER_DEADLINE_S", 2.0)
    ini = project(tmp_path)
    add(ini, "a", None, "while True: pass", 'op.execute("COMMENT ON TABLE t IS NULL")')
    add(ini, "b", "a", MAKE, 'op.drop_table("t")')
    reports = await check(ini)
    assert "did not end within" in the("not-renderable", reports["a"].findings).message
    assert refusing(reports["b"]) == []


async def test_every_way_to_say_where_the_scripts_are(tmp_path: Path) -> None:
    for number, ini in enumerate(
        (
            "[alembic]\nscript_location = %(here)s/migrations\n",
            "[alembic]\nscript_location = migrations\nversion_locations = %(here)s/migrations/versions\n",
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        file = project(folder, ini=ini)
        add(file, "a", None, MAKE, 'op.drop_table("t")')
        reports = await check(file)
        assert reports["a"].source.file == "migrations/versions/a.py"
        assert reports["a"].source.title == "What a does."


async def test_a_configuration_in_pyproject(tmp_path: Path) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    ini.unlink()
    (tmp_path / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    assert refusing((await check(tmp_path / "pyproject.toml"))["a"]) == []


async def test_branches_dependencies_and_a_merge_run_one_by_one(tmp_path: Path, ground: Ground) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    add(ini, "left", "a", ADD, DROP)
    add(ini, "right", "a", 'op.add_column("t", sa.Column("y", sa.Integer))', 'op.drop_column("t", "y")')
    add(
        ini,
        "far",
        None,
        'op.create_table("u", sa.Column("i", sa.Integer))',
        'op.drop_table("u")',
        "depends_on = 'left'",
    )
    add(ini, "one", ("right", "far"), "pass", "pass")
    reports = await check(ini, ground)
    assert {key: (refusing(report), report.reversible) for key, report in reports.items()} == dict.fromkeys(
        ("a", "left", "right", "far", "one"), ([], True)
    )


async def test_a_failing_migration_is_told_with_its_line_and_what_builds_on_it_is_not_tried(
    tmp_path: Path, ground: Ground
) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    add(ini, "b", "a", 'op.execute("ALTER TABLE nowhere ADD COLUMN x int")', 'op.execute("ALTER TABLE nowhere DROP x")')
    add(ini, "c", "b", ADD, DROP)
    reports = await check(ini, ground)
    finding = the("upgrade-fails", reports["b"].findings)
    assert 'relation "nowhere" does not exist' in finding.message
    assert finding.line == 14
    assert finding.statement == "ALTER TABLE nowhere ADD COLUMN x int"
    assert reports["a"].reversible is True
    assert reports["c"].reversible is None
    assert refusing(reports["c"]) == []


async def test_a_failing_downgrade_leaves_the_others_to_be_tried(tmp_path: Path, ground: Ground) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    add(ini, "b", "a", ADD, 'op.execute("ALTER TABLE t DROP x, DROP COLUMN zzz")')
    add(ini, "c", "b", 'op.add_column("t", sa.Column("y", sa.Integer))', 'op.drop_column("t", "y")')
    reports = await check(ini, ground)
    assert "downgrade-fails" in refusing(reports["b"])
    assert reports["b"].reversible is False
    assert (refusing(reports["c"]), reports["c"].reversible) == ([], True)


async def test_a_project_that_ignores_the_url_never_reaches_its_own_database(tmp_path: Path, ground: Ground) -> None:
    env = ENV.replace(
        "engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)",
        "__import__('sqlalchemy').create_engine('postgresql+psycopg://me:secret@127.0.0.1:5432/mine')",
    )
    ini = project(tmp_path, env)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    report = (await check(ini, ground))["a"]
    assert report.reversible is None
    assert "connects to another database" in the("not-tried", report.findings).message


async def test_the_url_is_handed_over_in_the_environment_and_as_an_option(tmp_path: Path, ground: Ground) -> None:
    env = ENV.replace("config = context.config\n", "config = context.config\nimport os\n"
                      "assert config.get_main_option('sqlalchemy.url') == os.environ['DATABASE_URL']\n"
                      "assert context.is_offline_mode() or os.environ['PGDATABASE'] in os.environ['DATABASE_URL']\n")  # fmt: skip
    ini = project(tmp_path, env, "[alembic]\nscript_location = migrations\nsqlalchemy.url = %(not_set)s\n")
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    report = (await check(ini, ground))["a"]
    assert (refusing(report), report.reversible) == ([], True)


async def test_what_it_does_only_on_a_database_is_found_out(tmp_path: Path, ground: Ground) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    hidden = ADD + '\nif type(op.get_bind()).__name__ == "Connection":\n    op.execute("CREATE TABLE hidden (id int)")'
    add(ini, "b", "a", hidden, DROP + '\nop.execute("DROP TABLE IF EXISTS hidden")')
    report = (await check(ini, ground))["b"]
    assert "hidden" in the("not-renderable", report.findings).message
    assert report.migration_class is MigrationClass.UNKNOWN


async def test_a_role_that_the_project_takes_for_given_is_made(tmp_path: Path, ground: Ground) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE + "\nop.execute('GRANT SELECT ON t TO \"reporting user\"')", 'op.drop_table("t")')
    report = (await check(ini, ground))["a"]
    assert (refusing(report), report.reversible) == ([], True)


async def test_an_extension_that_this_server_lacks_is_no_fault_of_the_migration(tmp_path: Path, ground: Ground) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, 'op.execute("CREATE EXTENSION no_such_thing")', 'op.execute("DROP EXTENSION no_such_thing")')
    report = (await check(ini, ground))["a"]
    assert (refusing(report), report.reversible) == ([], None)


async def test_without_a_server_it_says_so_once(tmp_path: Path) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    told: list[str] = []
    report = (await check(ini, TrialServer(str(tmp_path)), told=told))["a"]
    assert report.reversible is None
    assert refusing(report) == []
    assert len(told) == 1
    assert "up, down and up again was not tried" in told[0]


class TestContract:
    """The second of two releases."""

    @pytest.fixture
    def ini(self, tmp_path: Path) -> Path:
        ini = project(tmp_path)
        table = 'op.create_table("t", sa.Column("id", sa.Integer), sa.Column("x", sa.Integer))'
        add(ini, "a", None, table, 'op.drop_table("t")')
        add(ini, "b", "a", 'op.add_column("t", sa.Column("y", sa.Integer))', 'op.drop_column("t", "y")')
        return ini

    @staticmethod
    def _second(ini: Path, declared: str) -> None:
        add(ini, "c", "b", 'op.drop_column("t", "x")', 'op.add_column("t", sa.Column("x", sa.Integer))', declared)

    async def test_undeclared_it_is_refused(self, ini: Path) -> None:
        self._second(ini, "")
        assert refusing((await check(ini))["c"]) == ["ban-drop-column"]

    async def test_declared_it_is_accepted_with_a_note(self, ini: Path) -> None:
        self._second(ini, 'brconsole = {"contract_after": "b"}')
        report = (await check(ini))["c"]
        assert refusing(report) == []
        assert report.migration_class is MigrationClass.CONTRACT
        assert the("ban-drop-column", report.findings).cure == "Declared as the second of two releases, after b."

    @pytest.mark.parametrize(
        "declared", ['{"contract_after": "zzz"}', '{"contract_after": "c"}', '{"contract_after": 1}', "{}", "'b'"]
    )
    async def test_a_declaration_that_names_no_earlier_revision_is_refused(self, ini: Path, declared: str) -> None:
        self._second(ini, f"brconsole = {declared}")
        assert "contract-undeclared" in refusing((await check(ini))["c"])

    async def test_a_rename_stays_refused(self, ini: Path) -> None:
        add(ini, "c", "b", 'op.alter_column("t", "x", new_column_name="z")',
            'op.alter_column("t", "z", new_column_name="x")', 'brconsole = {"contract_after": "a"}')  # fmt: skip
        assert refusing((await check(ini))["c"]) == ["renaming-column"]

    @pytest.mark.parametrize(
        ("running", "refused"),
        [
            (RunningCode(2, "api-00007"), []),
            (RunningCode(3, "api-00008"), []),
            (RunningCode(1, "api-00006 has the tag prev"), ["contract-too-early"]),
            (RunningCode(None, "Cloud Run could not be read"), ["contract-too-early"]),
            (None, []),
        ],
    )
    async def test_it_waits_until_no_older_code_runs(
        self, ini: Path, running: RunningCode | None, refused: list[str]
    ) -> None:
        self._second(ini, 'brconsole = {"contract_after": "b"}')
        report = (await check(ini, applied="b", running=running))["c"]
        assert refusing(report) == refused
        if refused:
            assert running is not None
            assert running.named in the("contract-too-early", report.findings).message

    async def test_both_releases_in_one_run_are_too_early(self, ini: Path) -> None:
        self._second(ini, 'brconsole = {"contract_after": "b"}')
        assert refusing((await check(ini, applied="a"))["c"]) == ["contract-too-early"]


async def test_a_table_made_by_a_pending_revision_and_still_empty_may_be_locked(tmp_path: Path) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    add(ini, "b", "a", 'op.create_table("u", sa.Column("i", sa.Integer))', 'op.drop_table("u")')
    add(ini, "c", "b", 'op.create_index("ix", "u", ["i"])', 'op.drop_index("ix")')
    assert refusing((await check(ini, applied="a"))["c"]) == []
    assert refusing((await check(ini, applied="b"))["c"]) == ["require-concurrent-index-creation"]
    assert refusing((await check(ini))["c"]) == ["require-concurrent-index-creation"]
    assert refusing((await check(ini, rows={}))["c"]) == []


async def test_a_table_known_to_be_small_may_be_locked(tmp_path: Path) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    add(ini, "b", "a", 'op.create_index("ix", "t", ["id"])', 'op.drop_index("ix")')
    assert refusing((await check(ini, applied="a", rows={"t": 40}))["b"]) == []
    assert refusing((await check(ini, applied="a", rows={"t": 40_000}))["b"]) == ["require-concurrent-index-creation"]
    assert refusing((await check(ini, applied="a", rows={"other": 1}))["b"]) == ["require-concurrent-index-creation"]


async def test_a_database_at_an_unknown_revision_is_an_error(tmp_path: Path) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    with pytest.raises(SourceFailure, match="there is no revision zzz"):
        await check(ini, applied="zzz")


async def test_the_revisions_are_listed_each_after_what_it_builds_on(tmp_path: Path) -> None:
    ini = project(tmp_path)
    add(ini, "z", None, MAKE, 'op.drop_table("t")')
    add(ini, "a", "z", ADD, DROP)
    checker = MigrationCheck(AlembicProject(ini), statements.read, _nothing, None, lambda message: None)
    assert [each.revision for each in await checker.revisions()] == ["z", "a"]
    async with AlembicProject(ini).offline() as runner:
        assert (await runner.step("a", Direction.UP)).statements[0].own is False


async def _nothing(revisions: object) -> dict[str, tuple[()]]:
    return {}
