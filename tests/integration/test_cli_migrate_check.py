"""`brconsole migrate check` as a person, a program and a GitHub workflow meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic_projects import BYTEREVIEW, add, bytereview_with, project

from brconsole.cli.entry import run

MAKE = 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))'


def _configured(folder: Path, alembic: object) -> list[str]:
    file = folder / "brconsole.toml"
    file.write_text(f"[migrations]\nalembic = {json.dumps(str(alembic))}\n")
    return ["migrate", "check", "--config", str(file)]


def test_the_good_line_is_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*_configured(tmp_path, BYTEREVIEW / "alembic.ini"), "--no-postgres"]) == 0
    said = capsys.readouterr()
    assert "17 checked, 17 accepted, 0 refused." in said.out
    assert said.err == ""
    assert "not tried" in said.out


def test_json_is_one_object_a_revision_with_exactly_its_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _configured(tmp_path, bytereview_with(tmp_path, "dropped_column"))
    assert run([*words, "--no-postgres", "--json", "--from", "0015"]) == 1
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["revision"] for document in documents] == ["0016", "0017"]
    for document in documents:
        assert list(document) == ["revision", "file", "class", "reversible", "verdict", "findings"]
    assert documents[0]["verdict"] == "accepted"
    assert documents[0]["class"] == "contract"
    assert documents[0]["findings"] == []
    assert documents[1]["verdict"] == "refused"
    assert documents[1]["reversible"] is None
    (finding,) = documents[1]["findings"]
    assert list(finding) == ["rule", "line", "statement", "message", "cure"]
    assert finding["rule"] == "ban-drop-column"
    assert finding["line"] == 13
    assert finding["statement"] == "ALTER TABLE reviews DROP COLUMN score"


def test_json_is_the_same_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*_configured(tmp_path, bytereview_with(tmp_path, "two_heads")), "--no-postgres", "--json"]
    assert run(words) == 1
    first = capsys.readouterr().out
    assert run(words) == 1
    assert capsys.readouterr().out == first


def test_it_tries_them_on_a_real_server_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    assert run([*_configured(tmp_path, ini), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reversible"] is True


def test_github_annotations_cannot_be_forged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    name = "10%, a:b\\n::error::forged"
    add(ini, "b,c", "a", f'op.drop_column("t", "{name}")', f'op.add_column("t", sa.Column("{name}", sa.Integer))')
    monkeypatch.chdir(tmp_path)
    assert run([*_configured(tmp_path, ini), "--no-postgres", "--github", "--from", "a"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("::error file=", "::notice file=")) for line in lines)
    assert lines[0].startswith("::error file=migrations/versions/b%2Cc.py,line=14,title=ban-drop-column::")
    assert "10%25, a:b" in lines[0]
    assert "%0A" in lines[0]


def test_hostile_text_reaches_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ini = project(tmp_path)
    file = add(ini, "a", None, MAKE, 'op.drop_table("t")')
    file.write_text(file.read_text().replace('"""What a does."""', '"""\\x1b[31mred\\x07 [bold]not[/bold]\u202e"""'))
    evil = 'op.execute("ALTER TABLE t ADD \\"\\x1b]0;owned\\x07\\u202e[red]\\" int NOT NULL")'
    add(ini, "b", "a", evil, 'op.execute("ALTER TABLE t DROP zz")')
    assert run([*_configured(tmp_path, ini), "--no-postgres"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\u202e" not in out
    assert "[bold]not[/bold]" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--json", "--github"], "--json and --github"),
        (["--from", "a", "--all"], "contradict"),
        (["nowhere"], "unknown environment"),
        (["--from", "zzz", "--no-postgres"], "no revision zzz"),
    ],
)
def test_what_does_not_go_together_is_told(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, MAKE, 'op.drop_table("t")')
    assert run([*_configured(tmp_path, ini), *words]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


def test_without_a_project_it_says_what_to_configure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "brconsole.toml"
    file.write_text("")
    assert run(["migrate", "check", "--config", str(file)]) == 2
    assert "[migrations] alembic" in capsys.readouterr().err


def test_a_missing_file_is_told_with_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_configured(tmp_path, tmp_path / "gone.ini")) == 2
    assert "gone.ini" in capsys.readouterr().err
