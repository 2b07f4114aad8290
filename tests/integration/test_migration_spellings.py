"""What strangers write: every kind of bad migration in many spellings, and good ones that look like them.

All stand beside each other on one base, each with a downgrade that is not the matter, and are judged in one offline run.
"""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic_projects import add, check, project, refusing

from brconsole.domain.migration import MigrationClass, RevisionReport

BASE = """
op.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
op.execute("CREATE SCHEMA app")
op.execute("CREATE TABLE app.events (id bigint PRIMARY KEY, kind text)")
op.create_table(
    "users",
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("email", sa.String(50), nullable=False),
    sa.Column("age", sa.Integer),
    sa.Column("bio", sa.Text),
    sa.Column("amount", sa.Numeric(10, 2)),
    sa.Column("plan", sa.String(20), nullable=False, server_default="free"),
)
op.create_table(
    "orders",
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("total", sa.Integer),
)
op.create_index("ix_users_age", "users", ["age"])
op.execute("ALTER TABLE users ADD CONSTRAINT ck_age CHECK (age IS NOT NULL)")
op.execute("ALTER TABLE users ADD CONSTRAINT ck_bio CHECK (bio IS NOT NULL) NOT VALID")
op.execute("CREATE VIEW adults AS SELECT id FROM users WHERE age > 17")
"""
BACK = 'op.execute("COMMENT ON TABLE users IS NULL")'

DROP_COLUMN = "ban-drop-column"
REQUIRED = "adding-required-field"
INDEX = "require-concurrent-index-creation"
NOT_VALID = "constraint-missing-not-valid"
LOCK = "require-lock-timeout"
READS = "reads-rows-offline"
OPAQUE = "opaque-statement"
CONTRACT = "contract-undeclared"

REFUSED: list[tuple[str, str]] = [
    # a column or table that is still read
    (DROP_COLUMN, 'op.drop_column("users", "age")'),
    (DROP_COLUMN, 'op.execute("alter table users drop column age")'),
    (DROP_COLUMN, 'op.execute(\'ALTER TABLE "users" DROP "age" CASCADE\')'),
    (DROP_COLUMN, 'op.execute("ALTER TABLE IF EXISTS public.users DROP COLUMN IF EXISTS age")'),
    (DROP_COLUMN, 'op.drop_column("events", "kind", schema="app")'),
    (DROP_COLUMN, 'with op.batch_alter_table("users") as batch:\n    batch.drop_column("age")'),
    (DROP_COLUMN, 'op.execute("SELECT 1; ALTER TABLE users ADD COLUMN a int, DROP COLUMN age; SELECT 2")'),
    (DROP_COLUMN, 'op.execute(sa.text("/* ; */ ALTER TABLE users -- really\\n DROP COLUMN age"))'),
    (DROP_COLUMN, 'op.get_bind().execute(sa.text("ALTER TABLE users DROP COLUMN age"))'),
    (DROP_COLUMN, 'op.get_bind().exec_driver_sql("ALTER TABLE users DROP COLUMN age") if False else '
                  'op.execute("ALTER TABLE users DROP COLUMN age")'),
    (DROP_COLUMN, 'op.execute(sa.schema.DDL("ALTER TABLE users DROP COLUMN age"))'),
    ("ban-drop-table", 'op.drop_table("orders")'),
    ("ban-drop-table", 'op.execute("DROP TABLE IF EXISTS nowhere, orders CASCADE")'),
    (CONTRACT, 'op.execute("DROP VIEW adults")'),
    (CONTRACT, 'op.execute("DROP TYPE mood")'),
    (CONTRACT, 'op.execute("DROP SCHEMA app CASCADE")'),
    (CONTRACT, 'op.execute("REVOKE SELECT ON users FROM PUBLIC")'),
    (CONTRACT, 'op.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")'),
    (CONTRACT, 'op.execute("TRUNCATE orders")'),
    ("ban-truncate-cascade", 'op.execute("TRUNCATE users CASCADE")'),
    ("ban-drop-not-null", 'op.alter_column("users", "email", nullable=True)'),
    ("ban-drop-default", 'op.alter_column("users", "plan", server_default=None)'),
    # NOT NULL without a default
    (REQUIRED, 'op.add_column("users", sa.Column("x", sa.Integer, nullable=False))'),
    (REQUIRED, 'op.execute("ALTER TABLE users ADD x int NOT NULL DEFAULT NULL")'),
    (REQUIRED, 'op.execute(\'ALTER TABLE "public"."users" ADD COLUMN IF NOT EXISTS x integer not null\')'),
    (REQUIRED, 'op.add_column("users", sa.Column("x", sa.Integer, nullable=False, server_default="0"))\n'
               'op.alter_column("users", "x", server_default=None)'),
    (REQUIRED, 'op.add_column("users", sa.Column("x", sa.Integer))\nop.alter_column("users", "x", nullable=False)'),
    (REQUIRED, 'with op.batch_alter_table("users") as b:\n    b.add_column(sa.Column("x", sa.Integer, nullable=False))'),
    ("adding-not-nullable-field", 'op.alter_column("users", "amount", nullable=False)'),
    ("adding-not-nullable-field", 'op.execute("ALTER TABLE users ALTER bio SET NOT NULL")'),
    ("adding-not-nullable-field", 'op.alter_column("orders", "user_id", existing_type=sa.BigInteger, nullable=False)'),
    # default that differs from row to row
    ("adding-field-with-default",
     'op.add_column("users", sa.Column("u", sa.Uuid, server_default=sa.text("gen_random_uuid()")))'),
    ("adding-field-with-default", 'op.execute("ALTER TABLE users ADD r float DEFAULT random()")'),
    ("adding-field-with-default", 'op.execute("ALTER TABLE users ADD t timestamptz DEFAULT clock_timestamp()")'),
    ("adding-field-with-default", 'op.execute("ALTER TABLE users ADD n bigserial")'),
    ("adding-field-with-default", 'op.execute("ALTER TABLE users ADD n bigint GENERATED ALWAYS AS IDENTITY")'),
    ("adding-field-with-default", 'op.execute("ALTER TABLE users ADD n int GENERATED ALWAYS AS (age + 1) STORED")'),
    # indexes and constraints that keep writers out
    (INDEX, 'op.create_index("ix", "users", ["email"])'),
    (INDEX, 'op.create_index(op.f("ix"), "users", [sa.text("lower(email)")], unique=True)'),
    (INDEX, 'op.execute("create unique index on public.users (email)")'),
    (INDEX, 'op.execute("REINDEX TABLE users")'),
    (INDEX, 'op.add_column("users", sa.Column("x", sa.Integer))\nop.create_index("ix", "users", ["x"])'),
    ("ban-concurrent-index-creation-in-transaction",
     'op.create_index("ix", "users", ["email"], postgresql_concurrently=True)'),
    ("ban-concurrent-index-creation-in-transaction", 'op.execute("CREATE INDEX CONCURRENTLY ix ON users (email)")'),
    ("require-concurrent-index-deletion", 'op.drop_index("ix_users_age")'),
    ("require-concurrent-index-deletion", 'op.execute("DROP INDEX IF EXISTS public.ix_users_age")'),
    ("ban-concurrent-index-deletion-in-transaction", 'op.execute("DROP INDEX CONCURRENTLY ix_users_age")'),
    ("disallowed-unique-constraint", 'op.create_unique_constraint("uq", "users", ["email"])'),
    ("disallowed-unique-constraint", 'op.execute("ALTER TABLE users ADD COLUMN x int UNIQUE")'),
    ("adding-serial-primary-key-field", 'op.execute("ALTER TABLE app.events ADD PRIMARY KEY (id)")'),
    (NOT_VALID, 'op.create_foreign_key("fk", "orders", "users", ["user_id"], ["id"])'),
    (NOT_VALID, 'op.create_check_constraint("ck", "users", "age > 0")'),
    (NOT_VALID, 'op.execute("ALTER TABLE users ADD CHECK (age > 0)")'),
    (NOT_VALID, 'op.execute("ALTER TABLE users ADD EXCLUDE USING gist (email WITH =)")'),
    (NOT_VALID, 'op.execute("ALTER TABLE users ADD CONSTRAINT ck CHECK (age > 0) NOT VALID")\n'
                'op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck")'),
    (NOT_VALID, 'op.execute("ALTER TABLE users ADD CONSTRAINT ck CHECK (age > 0) NOT VALID, VALIDATE CONSTRAINT ck")'),
    (NOT_VALID, 'op.add_column("orders", sa.Column("buyer", sa.BigInteger, sa.ForeignKey("users.id")))'),
    # other names
    ("renaming-column", 'op.alter_column("users", "age", new_column_name="years")'),
    ("renaming-column", 'op.execute("ALTER TABLE users RENAME age TO years")'),
    ("renaming-column", 'with op.batch_alter_table("users") as b:\n    b.alter_column("age", new_column_name="years")'),
    ("renaming-table", 'op.rename_table("users", "people")'),
    ("renaming-table", 'op.execute(\'alter table "users" rename to "people"\')'),
    ("renaming-table", 'op.execute("ALTER TABLE users SET SCHEMA app")'),
    ("renaming-object", 'op.execute("ALTER TYPE mood RENAME VALUE \'ok\' TO \'fine\'")'),
    ("renaming-object", 'op.execute("ALTER VIEW adults RENAME TO grown")'),
    # other types
    ("changing-column-type", 'op.alter_column("users", "age", type_=sa.BigInteger)'),
    ("changing-column-type", 'op.execute("ALTER TABLE users ALTER COLUMN email TYPE varchar(10)")'),
    ("changing-column-type", 'op.execute("ALTER TABLE users ALTER email SET DATA TYPE text USING lower(email)")'),
    ("changing-column-type", 'op.alter_column("users", "amount", type_=sa.Numeric(10, 4))'),
    ("changing-column-type", 'op.execute("ALTER TABLE users ALTER bio TYPE jsonb USING bio::jsonb")'),
    ("changing-column-type", 'op.execute("ALTER TABLE elsewhere ALTER a TYPE text")'),
    # reading
    (READS, 'rows = op.get_bind().execute(sa.text("SELECT id FROM users"))\nfor row in rows:\n    print(row)'),
    (READS, 'bind = op.get_bind()\nif bind.execute(sa.text("SELECT 1 FROM users")).scalar():\n    op.execute("SELECT 1")'),
    (READS, 'from sqlalchemy.orm import Session\nSession(bind=op.get_bind()).execute(sa.text("SELECT 1")).all()'),
    (READS, 'names = sa.inspect(op.get_bind()).get_table_names()'),
    (READS, 'op.get_bind().execute(sa.text("SELECT count(*) FROM users"))'),
    (READS, 'try:\n    rows = list(op.get_bind().execute(sa.text("SELECT id FROM users")))\n'
            'except TypeError:\n    rows = []\nop.execute("COMMENT ON TABLE users IS NULL")'),
    ("not-renderable", 'raise RuntimeError("not today")'),
    ("not-renderable", 'sa.create_engine("postgresql://localhost/x").connect()'),
    ("not-renderable", 'from alembic import context\nif not context.is_offline_mode():\n    op.drop_table("users")'),
    ("not-renderable", 'if op.get_context().as_sql:\n    op.execute("SELECT 1")\nelse:\n    op.drop_table("users")'),
    ("not-renderable", 'import sys\nsys.exit(0)'),
    (OPAQUE, 'op.execute("DO $$ BEGIN EXECUTE \'DROP TABLE users\'; END $$")'),
    (OPAQUE, 'op.execute("CALL clean_up()")'),
    (OPAQUE, 'op.execute("SELECT drop_everything()")'),
    (OPAQUE, 'op.execute("ALTER TABEL users ADD x int")'),
    ("not-renderable", 'op.get_bind().execute(sa.text("UPDATE users SET bio = :b WHERE id = :i"), {"b": "x", "i": 1})'),
    (OPAQUE, 'op.execute("PREPARE p AS SELECT 1")'),
    # enums
    ("enum-value-in-transaction", 'op.execute("ALTER TYPE mood ADD VALUE \'happy\'")'),
    ("enum-value-in-transaction", 'op.execute("alter type public.mood add value if not exists \'happy\' after \'ok\'")'),
    ("transaction-nesting", 'op.execute("COMMIT")\nop.execute("ALTER TYPE mood ADD VALUE \'happy\'")'),
    ("transaction-nesting", 'op.execute("BEGIN; SELECT 1; END")'),
    # locks
    (LOCK, 'op.execute("LOCK TABLE users")'),
    (LOCK, 'op.execute("lock users in share row exclusive mode")'),
    (LOCK, 'op.execute("SET lock_timeout = 0")'),
    (LOCK, 'op.execute("SET LOCAL lock_timeout TO \'0\'")'),
    (LOCK, 'op.execute("SET lock_timeout = \'10min\'")'),
    (LOCK, 'op.execute("RESET lock_timeout")'),
    (LOCK, 'op.execute("SET SESSION lock_timeout TO DEFAULT")'),
    (LOCK, 'op.execute("RESET ALL")'),
    (LOCK, 'op.execute("SELECT set_config(\'lock_timeout\', \'0\', true)")'),
    (LOCK, 'op.add_column("users", sa.Column("x", sa.Integer))\nop.execute("UPDATE users SET x = 1 WHERE x IS NULL")'),
    (LOCK, 'op.execute("ALTER TABLE users ADD x int; UPDATE orders SET total = 0 WHERE id < 5")'),
    (LOCK, 'op.execute("LOCK TABLE orders IN SHARE MODE")'),
    # rows
    ("unbatched-data-change", 'op.execute("UPDATE users SET bio = \'\'")'),
    ("unbatched-data-change", 'op.execute("DELETE FROM orders WHERE true")'),
    ("unbatched-data-change", 'op.execute("UPDATE users SET bio = \'\' WHERE 1 = 1")'),
    ("unbatched-data-change", 'op.execute("WITH gone AS (DELETE FROM orders RETURNING *) SELECT 1")'),
    ("rewriting-table", 'op.execute("ALTER TABLE users SET UNLOGGED")'),
    ("ban-alter-domain-with-add-constraint", 'op.execute("ALTER DOMAIN d ADD CONSTRAINT c CHECK (value > 0)")'),
]  # fmt: skip

ACCEPTED: list[tuple[MigrationClass, str]] = [
    (MigrationClass.EXPAND, 'op.add_column("users", sa.Column("x", sa.Integer))'),
    (MigrationClass.EXPAND, 'op.add_column("users", sa.Column("x", sa.Integer, nullable=False, server_default="0"))'),
    (MigrationClass.EXPAND,
     'op.add_column("users", sa.Column("t", sa.DateTime, server_default=sa.func.now(), nullable=False))'),
    (MigrationClass.EXPAND, 'op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS x jsonb DEFAULT \'{}\'::jsonb")'),
    (MigrationClass.EXPAND, 'op.execute("ALTER TABLE orders ADD COLUMN buyer bigint REFERENCES users (id)")'),
    (MigrationClass.EXPAND,
     'op.create_table("new", sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), primary_key=True),'
     ' sa.Column("u", sa.BigInteger, sa.ForeignKey("users.id"), nullable=False, unique=True))\n'
     'op.create_index("ix_new", "new", ["u"])\nop.alter_column("new", "u", new_column_name="v")\n'
     'op.execute("ALTER TABLE new ADD w int NOT NULL")\nop.execute("INSERT INTO new (v, w) VALUES (1, 2)")'),
    (MigrationClass.EXPAND, 'op.execute("CREATE TABLE copy AS SELECT id FROM users")'),
    (MigrationClass.EXPAND,
     'with op.get_context().autocommit_block():\n'
     '    op.create_index("ix", "users", ["email"], postgresql_concurrently=True, if_not_exists=True)'),
    (MigrationClass.EXPAND,
     'with op.get_context().autocommit_block():\n'
     '    op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_age")'),
    (MigrationClass.EXPAND,
     'with op.get_context().autocommit_block():\n    op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS \'happy\'")'),
    (MigrationClass.EXPAND, 'op.create_foreign_key("fk", "orders", "users", ["user_id"], ["id"],'
                            ' postgresql_not_valid=True)'),
    (MigrationClass.EXPAND, 'op.execute("ALTER TABLE users ADD CONSTRAINT ck CHECK (age > 0) NOT VALID")'),
    (MigrationClass.EXPAND, 'op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_bio")'),
    (MigrationClass.EXPAND, 'op.alter_column("users", "age", nullable=False)\n'
                            'op.drop_constraint("ck_age", "users")'),
    (MigrationClass.EXPAND, 'op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_bio")\n'
                            'op.alter_column("users", "bio", nullable=False)'),
    (MigrationClass.EXPAND, 'op.execute("CREATE TYPE size AS ENUM (\'s\'); ALTER TYPE size ADD VALUE \'m\'")'),
    (MigrationClass.EXPAND, 'op.execute("CREATE TYPE size AS ENUM (\'s\')")\n'
                            'op.execute("ALTER TABLE users ADD COLUMN size size")'),
    (MigrationClass.EXPAND, 'op.alter_column("users", "email", type_=sa.String(80))'),
    (MigrationClass.EXPAND, 'op.alter_column("users", "email", type_=sa.Text, postgresql_using="email::text")'),
    (MigrationClass.EXPAND, 'op.alter_column("users", "amount", type_=sa.Numeric(14, 2))'),
    (MigrationClass.EXPAND, 'op.alter_column("users", "plan", server_default="basic")'),
    (MigrationClass.EXPAND, 'op.execute("CREATE OR REPLACE VIEW adults AS SELECT id FROM users WHERE age > 20")'),
    (MigrationClass.EXPAND, 'op.execute("DROP VIEW adults; CREATE VIEW adults AS SELECT id, age FROM users")'),
    (MigrationClass.EXPAND, 'op.rename_table("users", "people")\nop.execute("CREATE VIEW users AS TABLE people")'),
    (MigrationClass.EXPAND, 'op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")'),
    (MigrationClass.EXPAND, 'op.execute("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS \'SELECT 1\'")'),
    (MigrationClass.EXPAND, 'op.execute("COMMENT ON COLUMN users.age IS \'in years; never negative\'")'),
    (MigrationClass.EXPAND, 'op.execute("CREATE TRIGGER g BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f()")'),
    (MigrationClass.EXPAND, 'op.execute("GRANT SELECT ON users TO PUBLIC")'),
    (MigrationClass.EXPAND, 'op.execute("SET LOCAL lock_timeout = \'2s\'")\n'
                            'op.add_column("users", sa.Column("x", sa.Integer))'),
    (MigrationClass.EXPAND, 'op.execute("SET LOCAL lock_timeout = \'2s\'; LOCK TABLE users IN SHARE MODE")'),
    (MigrationClass.EXPAND, 'op.execute("ALTER TABLE users SET (fillfactor = 80)")'),
    (MigrationClass.EXPAND, 'op.execute("ALTER INDEX ix_users_age RENAME TO ix_age")'),
    (MigrationClass.EXPAND, 'op.execute("SET statement_timeout = 0")'),
    (MigrationClass.DATA, 'op.execute("UPDATE users SET bio = \'\' WHERE id IN'
                          ' (SELECT id FROM users WHERE bio IS NULL LIMIT 1000)")'),
    (MigrationClass.DATA, 'op.execute("UPDATE users SET bio = \'\' WHERE id BETWEEN 1 AND 5000 AND bio IS NULL")'),
    (MigrationClass.DATA, 'op.execute("INSERT INTO orders (user_id, total) VALUES (1, 2) ON CONFLICT DO NOTHING")'),
    (MigrationClass.DATA, 'op.bulk_insert(sa.table("orders", sa.column("total", sa.Integer)), [{"total": 1}])'),
    (MigrationClass.DATA, 'users = sa.table("users", sa.column("id", sa.Integer), sa.column("bio", sa.String))\n'
                          'op.execute(users.update().where(users.c.id < 100).values(bio="it\'s 100 %; fine"))'),
    (MigrationClass.DATA, 'for low in range(0, 3):\n'
                          '    op.execute(f"UPDATE users SET bio = \'\' WHERE id >= {low} AND id < {low + 1}")'),
    (MigrationClass.DATA, 'op.get_bind().execute(sa.text("DELETE FROM orders WHERE id IN'
                          ' (SELECT id FROM orders WHERE total = 0 LIMIT 500)"))'),
]  # fmt: skip

WAYS_BACK: list[tuple[str | None, str, str | None]] = [
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', None),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', "pass"),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', '"""Nothing."""\n...'),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', "return None"),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', 'raise NotImplementedError("no")'),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', "raise RuntimeError()"),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', 'print("no")'),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', 'op.execute("SELECT 1")'),
    ("missing-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))',
     "def no():\n    raise NotImplementedError\nno()"),
    ("missing-downgrade", 'op.execute("INSERT INTO orders (total) VALUES (1)")', "pass"),
    ("data-loss-in-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))',
     'op.drop_column("users", "x")\nop.drop_column("users", "bio")'),
    ("data-loss-in-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))', 'op.drop_table("users")'),
    ("data-loss-in-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))',
     'op.execute("TRUNCATE orders; ALTER TABLE users DROP x")'),
    ("data-loss-in-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))',
     'op.execute("DELETE FROM orders WHERE id > 5")\nop.drop_column("users", "x")'),
    ("data-loss-in-downgrade", 'op.add_column("users", sa.Column("x", sa.Integer))',
     'op.execute("UPDATE users SET bio = NULL")\nop.drop_column("users", "x")'),
    ("data-loss-in-downgrade", 'op.execute("CREATE TABLE IF NOT EXISTS orders (id int)")', 'op.drop_table("orders")'),
    ("data-loss-in-downgrade", 'op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS bio text")',
     'op.drop_column("users", "bio")'),
    ("data-loss-in-downgrade", 'op.alter_column("users", "email", type_=sa.Text)',
     'op.alter_column("users", "email", type_=sa.String(50), postgresql_using="left(email, 50)")'),
    ("data-loss-in-downgrade", 'op.execute("CREATE SCHEMA more")', 'op.execute("DROP SCHEMA more CASCADE")'),
    ("data-loss-in-downgrade",
     'op.create_table("archive", sa.Column("id", sa.Integer))\n'
     'op.execute("INSERT INTO archive SELECT id FROM orders WHERE id < 100")\n'
     'op.execute("DELETE FROM orders WHERE id < 100")', 'op.drop_table("archive")'),
    ("opaque-statement", 'op.add_column("users", sa.Column("x", sa.Integer))',
     'op.execute("DO $$ BEGIN DROP TABLE users; END $$")'),
    ("reads-rows-offline", 'op.add_column("users", sa.Column("x", sa.Integer))',
     'for row in op.get_bind().execute(sa.text("SELECT 1")):\n    op.drop_column("users", "x")'),
    (None, 'op.add_column("users", sa.Column("x", sa.Integer))', 'op.drop_column("users", "x")'),
    (None, 'op.create_table("new", sa.Column("id", sa.Integer))\nop.execute("INSERT INTO new SELECT id FROM users")',
     'op.drop_table("new")'),
    (None, 'op.execute("INSERT INTO orders (id, total) VALUES (900, 1)")', 'op.execute("DELETE FROM orders WHERE id = 900")'),
    (None, 'op.alter_column("users", "email", type_=sa.String(80))',
     'op.alter_column("users", "email", type_=sa.String(50))'),
    (None, 'op.execute("UPDATE users SET bio = \'\' WHERE id BETWEEN 1 AND 100")', "pass"),
    (None, "pass", "pass"),
]  # fmt: skip


@dataclass(frozen=True)
class _Row:
    upgrade: str
    downgrade: str | None = BACK


def _rows() -> dict[str, _Row]:
    rows = {f"bad{number}": _Row(upgrade) for number, (_, upgrade) in enumerate(REFUSED)}
    rows |= {f"good{number}": _Row(upgrade) for number, (_, upgrade) in enumerate(ACCEPTED)}
    return rows | {f"back{number}": _Row(up, down) for number, (_, up, down) in enumerate(WAYS_BACK)}


@cache
def _reports() -> dict[str, RevisionReport]:
    with TemporaryDirectory() as folder:
        ini = project(Path(folder))
        add(ini, "root", None, BASE, 'op.drop_table("users")')
        for revision, row in _rows().items():
            add(ini, revision, "root", row.upgrade, row.downgrade)
        return asyncio.run(check(ini))


def _rules(revision: str) -> list[str]:
    return [rule for rule in refusing(_reports()[revision]) if rule != "multiple-heads"]


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=lambda n: f"{REFUSED[n][0]}: {REFUSED[n][1][:60]}")
def test_a_bad_one_is_refused_in_any_spelling(number: int) -> None:
    rule, upgrade = REFUSED[number]
    report = _reports()[f"bad{number}"]
    assert rule in _rules(f"bad{number}"), upgrade
    finding = next(each for each in report.findings if each.rule == rule)
    lines = textwrap.dedent(upgrade).strip().splitlines()
    first = 14
    assert finding.line is None or first <= finding.line < first + len(lines)
    assert finding.message
    assert finding.cure


@pytest.mark.parametrize("number", range(len(ACCEPTED)), ids=lambda n: ACCEPTED[n][1][:70])
def test_a_good_one_is_accepted_with_its_class(number: int) -> None:
    expected, upgrade = ACCEPTED[number]
    assert _rules(f"good{number}") == [], upgrade
    assert _reports()[f"good{number}"].migration_class is expected


@pytest.mark.parametrize("number", range(len(WAYS_BACK)), ids=lambda n: f"{WAYS_BACK[n][0]}: {WAYS_BACK[n][2]}"[:70])
def test_the_way_back_is_judged_by_what_it_throws_away(number: int) -> None:
    rule, upgrade, downgrade = WAYS_BACK[number]
    assert _rules(f"back{number}") == ([] if rule is None else [rule]), (upgrade, downgrade)
