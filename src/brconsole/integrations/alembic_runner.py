"""Reads, renders and runs the revisions of an Alembic project, in the interpreter that has the project's own libraries.

A program of its own: it imports Alembic, SQLAlchemy and nothing of ours. It is given the configuration file and a mode,
reads one JSON request a line on standard input and answers with one JSON object a line on the standard output it was
started with; whatever the project prints goes to standard error.

In the mode `offline` no database is reached: a connection that the project opens is refused. In the mode `online` only
the database that DATABASE_URL names is: a project that ignores it must not try migrations on somebody's real one.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import re
import sys
import traceback
import warnings
from configparser import InterpolationError
from pathlib import Path
from typing import Any

# This file's folder holds modules named like the libraries they wrap.
sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != Path(__file__).resolve().parent]

_LONGEST_MESSAGE = 2000


class Refused(Exception):  # noqa: N818  # said to the project's own code, whose words it becomes
    """A connection to a database that is not ours to touch."""


class Output:
    """Stands in for Alembic's output buffer; the statements are taken where they are written."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


class Recorder:
    """What a revision's code did while it ran: its statements with the line of each, and what else it asked for."""

    def __init__(self) -> None:
        self.file: str | None = None
        self.statements: list[dict[str, Any]] = []
        self.asked_connection: int | None = None
        self.asked_mode: int | None = None
        self.passed_values: int | None = None
        self.marking = False
        self.commits = 0

    def begin(self, file: str | None) -> None:
        self.file = file
        self.statements = []
        self.asked_connection = None
        self.asked_mode = None
        self.passed_values = None
        self.commits = 0

    def line(self) -> int | None:
        """The line of the revision's file that is being executed; None where it is not on the stack."""
        frame = inspect.currentframe()
        while frame is not None:
            if self.file is not None and frame.f_code.co_filename == self.file:
                return frame.f_lineno
            frame = frame.f_back
        return None

    def add(self, sql: str, bound: bool = False) -> None:
        line = self.line()
        self.statements.append(
            {"sql": sql, "line": line, "own": line is not None, "marker": self.marking, "bound": bound}
        )


RECORDER = Recorder()


def watch() -> None:
    """Put the recorder where Alembic writes statements, hands out connections and tells its mode."""
    from alembic.ddl.impl import DefaultImpl
    from alembic.operations import Operations
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    def static_output(self: Any, text: str) -> None:
        RECORDER.add(text)

    DefaultImpl.static_output = static_output  # type: ignore[method-assign]
    for name in ("emit_begin", "emit_commit"):
        setattr(DefaultImpl, name, _marking(getattr(DefaultImpl, name)))
    get_bind = Operations.get_bind
    is_offline_mode = EnvironmentContext.is_offline_mode

    def asked_for_connection(self: Any) -> Any:
        RECORDER.asked_connection = RECORDER.asked_connection or RECORDER.line()
        return get_bind(self)

    def asked_for_mode(self: Any) -> Any:
        RECORDER.asked_mode = RECORDER.asked_mode or RECORDER.line()
        return is_offline_mode(self)

    stand_in = MigrationContext._stdout_connection  # noqa: SLF001  # what get_bind() gives offline

    def watched_stand_in(self: Any, connection: Any) -> Any:
        mock = stand_in(self, connection)
        write = mock._execute_impl  # noqa: SLF001  # SQLAlchemy's MockConnection has no other way

        def execute(construct: Any, *values: Any, **more: Any) -> Any:
            if any(values) or any(more.values()):
                RECORDER.passed_values = RECORDER.passed_values or RECORDER.line()
            return write(construct)

        mock._execute_impl = execute  # noqa: SLF001  # as above
        return mock

    MigrationContext._stdout_connection = watched_stand_in  # type: ignore[method-assign]  # noqa: SLF001  # as above
    Operations.get_bind = asked_for_connection  # type: ignore[method-assign]
    EnvironmentContext.is_offline_mode = asked_for_mode  # type: ignore[method-assign]


def _marking(emit: Any) -> Any:
    def marked(self: Any) -> None:
        RECORDER.marking = True
        try:
            emit(self)
        finally:
            RECORDER.marking = False

    return marked


def guard(mode: str, url: str) -> None:
    """Refuse every connection but the one to the database that we handed over."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine, make_url

    wanted = make_url(url)

    @event.listens_for(Engine, "do_connect")
    def check(dialect: Any, record: Any, arguments: Any, parameters: Any) -> None:
        if mode == "offline":
            raise Refused("it opens a database connection, which an offline rendering (--sql) does not have")
        # In the driver's own words, so that a socket's folder in the URL's query (Cloud SQL) is understood too.
        if place(parameters) != place(dialect.create_connect_args(wanted)[1]):
            raise Refused(
                "env.py connects to another database than the one it was handed; "
                "let it take the environment variable DATABASE_URL or the option sqlalchemy.url"
            )

    @event.listens_for(Engine, "commit")
    def count_commit(connection: Any) -> None:
        RECORDER.commits += 1

    @event.listens_for(Engine, "connect")
    def settle(connection: Any, record: Any) -> None:
        if mode == "online" and "psycopg" not in type(connection).__module__:
            settle_session(connection)

    @event.listens_for(Engine, "before_cursor_execute")
    def record_statement(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        RECORDER.add(statement, bound=True)


def place(parameters: Any) -> tuple[str, str, str]:
    """Where a driver connects to by its parameters."""
    database = parameters.get("dbname") or parameters.get("database")
    return str(parameters.get("host")), str(parameters.get("port")), str(database)


def settle_session(connection: Any) -> None:
    """Give a session the settings that libpq's drivers take from PGOPTIONS and PGAPPNAME by themselves."""
    settings = dict(re.findall(r"-c (\w+)=(\S+)", os.environ.get("PGOPTIONS", "")))
    settings["application_name"] = os.environ.get("PGAPPNAME", "")
    cursor = connection.cursor()
    for name, value in settings.items():
        if value:
            cursor.execute(f"SET {name} = '{value}'")
    cursor.close()
    connection.commit()


class Project:
    """The Alembic project of one configuration file."""

    def __init__(self, file: Path, mode: str) -> None:
        self.file = file
        self.mode = mode
        self.script: Any = None
        self.config: Any = None
        self.warnings: list[str] = []

    def open(self) -> None:
        """Read the configuration and every revision; raises what Alembic and the files raise."""
        from alembic.script import ScriptDirectory

        self.config = self._configuration()
        url = self._url(os.environ["DATABASE_URL"])
        os.environ["DATABASE_URL"] = url
        self.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.script = ScriptDirectory.from_config(self.config)
            self.revisions = list(self.script.walk_revisions())
        self.warnings = [str(warning.message) for warning in caught if "evision" in str(warning.message)]
        watch()
        guard(self.mode, url)

    def _configuration(self) -> Any:
        from alembic.config import Config

        settings: dict[str, Any] = {"output_buffer": Output(), "stdout": sys.stderr}
        knows_toml = "toml_file" in inspect.signature(Config.__init__).parameters
        if self.file.suffix == ".toml":
            if not knows_toml:
                raise ValueError("this Alembic is too old for a configuration in TOML; it came with 1.16")
            beside = self.file.with_name("alembic.ini")
            return Config(str(beside) if beside.is_file() else None, toml_file=str(self.file), **settings)
        beside = self.file.with_name("pyproject.toml")
        if knows_toml and beside.is_file():
            settings["toml_file"] = str(beside)
        return Config(str(self.file), **settings)

    def _url(self, url: str) -> str:
        """The URL for the driver that the project uses: the one its own URL names, else one that is installed."""
        scheme, rest = url.split("://", 1)
        if "+" in scheme:
            return url
        driver = self._named_driver()
        if driver is None:
            driver = self._installed_driver()
        return url if driver is None else f"postgresql+{driver}://{rest}"

    def _named_driver(self) -> str | None:
        try:
            own = self.config.get_main_option("sqlalchemy.url") or ""
        except InterpolationError:  # of a variable that is not set here
            return None
        scheme = own.split("://", 1)[0]
        return scheme.split("+", 1)[1] if scheme.startswith("postgresql+") else None

    def _installed_driver(self) -> str | None:
        """None where SQLAlchemy's default will do."""
        from importlib.util import find_spec

        from sqlalchemy.engine import make_url

        env = Path(self._script_location()) / "env.py"
        text = env.read_text("utf-8", "replace") if env.is_file() else ""
        wants_async = "async_engine" in text or "create_async_engine" in text
        default = make_url("postgresql://").get_dialect().driver
        order = ["psycopg", "asyncpg"] if wants_async else [default, "psycopg", "psycopg2", "pg8000"]
        for driver in order:
            if find_spec(driver) is not None:
                return None if driver == default else driver
        return None

    def _script_location(self) -> str:
        try:
            return str(self.config.get_main_option("script_location") or "")
        except InterpolationError:
            return ""

    def describe(self) -> dict[str, Any]:
        """The revisions, each after the ones it builds on."""
        return {
            "revisions": [describe(revision, self.file.parent) for revision in self._ordered()],
            "heads": sorted(self.script.get_heads()),
            "warnings": self.warnings,
        }

    def _ordered(self) -> list[Any]:
        known = {revision.revision: revision for revision in self.revisions}
        ordered: list[Any] = []
        seen: set[str] = set()
        stack: list[tuple[str, bool]] = [(key, False) for key in sorted(known, reverse=True)]
        while stack:
            key, below_done = stack.pop()
            if key in seen or key not in known:
                continue
            if below_done:
                seen.add(key)
                ordered.append(known[key])
                continue
            stack.append((key, True))
            below = below_of(known[key])
            stack += [(other, False) for other in sorted(below, reverse=True) if other not in seen]
        return ordered

    def step(self, revision: str, direction: str) -> dict[str, Any]:
        """Render one revision on its own, or run it, up or down."""
        from alembic.runtime.environment import EnvironmentContext
        from alembic.runtime.migration import MigrationStep

        script = self.script.get_revision(revision)
        below = script._versioned_down_revisions  # noqa: SLF001  # as `alembic upgrade A:B --sql` takes them
        started: list[bool] = []

        def only(heads: Any, context: Any) -> list[Any]:
            started.append(True)
            make = MigrationStep.upgrade_from_script if direction == "up" else MigrationStep.downgrade_from_script
            return [make(self.script.revision_map, script)]

        RECORDER.begin(script.module.__file__)
        settings: dict[str, Any] = {"fn": only, "destination_rev": revision}
        if self.mode == "offline":
            settings["as_sql"] = True
            settings["starting_rev"] = revision if direction == "down" else (below or "base")
        try:
            with EnvironmentContext(self.config, self.script, **settings):
                self.script.run_env()
        except BaseException as error:  # noqa: BLE001  # a stranger's code, which may also say sys.exit
            failure: dict[str, Any] | None = explain(error, RECORDER.file, self.file.parent)
        else:
            failure = None if started else {"type": "", "message": "env.py ran no migration", "line": None}
        return {
            "statements": RECORDER.statements,
            "asked_connection": RECORDER.asked_connection,
            "asked_mode": RECORDER.asked_mode,
            "passed_values": RECORDER.passed_values,
            "commits": RECORDER.commits,
            "error": failure,
        }


def below_of(revision: Any) -> tuple[str, ...]:
    """What must be applied before: its down_revision and what it depends_on."""
    below: tuple[str, ...] = revision._normalized_down_revisions  # noqa: SLF001  # Alembic tells it nowhere else
    return below


def describe(revision: Any, folder: Path) -> dict[str, Any]:
    """A revision as its file tells it."""
    path = Path(revision.path).absolute()
    source = path.read_bytes()
    declared = getattr(revision.module, "brconsole", None)
    after = declared.get("contract_after") if isinstance(declared, dict) else None
    return {
        "revision": revision.revision,
        "down": sorted(below_of(revision)),
        "file": Path(os.path.relpath(path, folder)).as_posix(),
        "title": (revision.doc or "").strip(),
        "sha256": hashlib.sha256(source).hexdigest(),
        "contract_after": after if isinstance(after, str) else None,
        "declared": None if declared is None else repr(declared)[:200],
        "downgrade": downgrade_kind(source),
        "upgrade_line": function_line(source, "upgrade"),
        "downgrade_line": function_line(source, "downgrade"),
        "mode_line": mode_line(source),
    }


def _function(source: bytes, name: str) -> ast.FunctionDef | None:
    found = None
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            found = node
    return found


def function_line(source: bytes, name: str) -> int | None:
    """Where a function begins."""
    node = _function(source, name)
    return None if node is None else node.lineno


def mode_line(source: bytes) -> int | None:
    """Where the code looks whether it runs offline, so that what it renders is not what it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ("is_offline_mode", "as_sql"):
            return node.lineno
        if isinstance(node, ast.Name) and node.id == "is_offline_mode":
            return node.lineno
    return None


def downgrade_kind(source: bytes) -> str:
    """`absent`, `empty` (nothing but pass, return, a text), `raises` at once, or `present`."""
    node = _function(source, "downgrade")
    if node is None:
        names = {
            target.id
            for statement in ast.parse(source).body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        imported = {
            alias.asname or alias.name
            for statement in ast.parse(source).body
            if isinstance(statement, ast.ImportFrom)
            for alias in statement.names
        }
        return "present" if "downgrade" in names | imported else "absent"
    idle = (ast.Pass, ast.Import, ast.ImportFrom)
    body = [
        statement
        for statement in node.body
        if not isinstance(statement, idle)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not (isinstance(statement, ast.Return) and not isinstance(statement.value, ast.Call))
    ]
    if not body:
        return "empty"
    return "raises" if isinstance(body[0], ast.Raise) else "present"


def explain(error: BaseException, file: str | None, folder: Path) -> dict[str, Any]:
    """An error as a sentence, with the line of the revision's file that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if file is not None and frame.filename == file), None)
    last = next((frame for frame in reversed(frames) if Path(frame.filename).is_relative_to(folder)), None)
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    else:
        place = f"{last.filename}:{last.lineno}" if last is not None else ""
    original = getattr(error, "orig", None)  # what the database said, without SQLAlchemy's links
    told = original.args[0] if original is not None and original.args else None
    fields = told if isinstance(told, dict) else {}  # pg8000 hands out the fields of the protocol
    words = str(fields.get("M") or (original if original is not None else error)).strip()
    if isinstance(error, AssertionError) and not words:
        words = "Alembic cannot follow the revisions; is one of them named base, head or heads?"
    if isinstance(error, SystemExit):
        words = f"it ended the program with status {error.code}"
    return {
        "type": type(error).__name__,
        "message": words[:_LONGEST_MESSAGE],
        "line": line,
        "place": place,
        "refused": isinstance(error, Refused),
        "sqlstate": str(
            getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or fields.get("C") or ""
        ),
    }


def serve(project: Project, replies: Any) -> None:
    """Answer requests until standard input ends."""

    def reply(document: dict[str, Any]) -> None:
        replies.write(json.dumps(document, ensure_ascii=True).encode("ascii") + b"\n")
        replies.flush()

    try:
        project.open()
    except BaseException as error:  # noqa: BLE001  # a stranger's code, which may also say sys.exit
        reply({"failed": explain(error, None, project.file.parent)})
        return
    reply({"opened": project.describe()})
    for request in sys.stdin.buffer:
        asked = json.loads(request)
        reply(project.step(asked["revision"], asked["direction"]))


def main(arguments: list[str]) -> int:
    """`CONFIGURATION MODE`."""
    file, mode = Path(arguments[0]).absolute(), arguments[1]
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        import alembic  # noqa: F401
    except ImportError:
        message = f"the interpreter {sys.executable} has no Alembic"
        replies.write(json.dumps({"failed": {"type": "ImportError", "message": message, "place": ""}}).encode() + b"\n")
        replies.flush()
        return 1
    os.chdir(file.parent)
    serve(Project(file, mode), replies)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
