"""ByteReview's migrations on a real PostgreSQL: the good ones pass, each of the bad ones is refused by its rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic_projects import BYTEREVIEW, HEAD, add, bytereview_with, check, project, refusing, the

from brconsole.domain.migration import MigrationClass, Ruling
from conftest import Ground

BAD = {
    "dropped_column": ("ban-drop-column", MigrationClass.CONTRACT),
    "required_column": ("adding-required-field", MigrationClass.CONTRACT),
    "blocking_index": ("require-concurrent-index-creation", MigrationClass.EXPAND),
    "rename": ("renaming-column", MigrationClass.CONTRACT),
    "type_change": ("changing-column-type", MigrationClass.CONTRACT),
    "no_way_back": ("missing-downgrade", MigrationClass.EXPAND),
    "two_heads": ("multiple-heads", MigrationClass.EXPAND),
    "lossy_downgrade": ("data-loss-in-downgrade", MigrationClass.EXPAND),
    "reads_rows": ("reads-rows-offline", MigrationClass.UNKNOWN),
    "enum_in_transaction": ("enum-value-in-transaction", MigrationClass.EXPAND),
    "lock_without_timeout": ("require-lock-timeout", MigrationClass.EXPAND),
    "edited_after_approval": ("edited-after-approval", MigrationClass.EXPAND),
}


async def test_every_good_migration_passes_and_was_run_up_down_and_up(ground: Ground) -> None:
    reports = await check(BYTEREVIEW / "alembic.ini", ground)
    assert len(reports) >= 12
    assert {key: refusing(report) for key, report in reports.items()} == {key: [] for key in reports}
    assert {report.reversible for report in reports.values()} == {True}
    assert {report.migration_class for report in reports.values()} >= {
        MigrationClass.EXPAND,
        MigrationClass.CONTRACT,
        MigrationClass.DATA,
    }


@pytest.mark.parametrize("overlay", BAD)
async def test_a_bad_migration_is_refused_by_its_rule(overlay: str, tmp_path: Path) -> None:
    rule, migration_class = BAD[overlay]
    approved = {"0017": "of another text"} if overlay == "edited_after_approval" else None
    reports = await check(bytereview_with(tmp_path, overlay), applied=HEAD, approved=approved)
    for report in reports.values():
        assert refusing(report) == [rule]
        assert report.migration_class is migration_class
        assert report.ruling is Ruling.REFUSED
        assert the(rule, report.findings).cure


async def test_each_bad_migration_is_refused_without_anything_applied_as_well(tmp_path: Path, ground: Ground) -> None:
    reports = await check(bytereview_with(tmp_path, "blocking_index"), ground)
    refused = {key: refusing(report) for key, report in reports.items() if refusing(report)}
    assert refused == {"0017": ["require-concurrent-index-creation"]}
    assert reports["0017"].reversible
    finding = the("require-concurrent-index-creation", reports["0017"].findings)
    assert finding.line == 12
    assert finding.statement == "CREATE INDEX ix_comments_review_id ON comments (review_id)"


async def test_a_downgrade_that_leaves_something_is_not_reversible(tmp_path: Path, ground: Ground) -> None:
    ini = project(tmp_path)
    add(ini, "a", None, 'op.create_table("t", sa.Column("id", sa.Integer))', 'op.drop_table("t")')
    add(
        ini,
        "b",
        "a",
        'op.add_column("t", sa.Column("x", sa.Integer))\nop.add_column("t", sa.Column("y", sa.Integer))',
        'op.drop_column("t", "x")\nop.execute("ALTER TABLE t ALTER y TYPE bigint")',
    )
    reports = await check(ini, ground)
    assert refusing(reports["a"]) == []
    assert "not-reversible" in refusing(reports["b"])
    assert reports["b"].reversible is False
