"""The structure of a database as lines of text, so that two states can be compared.

Read from PostgreSQL's own catalogues and printed by its own functions (`pg_get_…def`). Left out is what says nothing of
a migration: object ids, the order of columns, Alembic's own table, and what belongs to an extension.
"""

from __future__ import annotations

_OURS = """
    n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
"""
_NOT_ALEMBIC = "c.relname NOT IN ('alembic_version', 'alembic_version_pkc')"


def _of_extension(catalogue: str, oid: str) -> str:
    ours = f"e.classid = '{catalogue}'::regclass AND e.objid = {oid}"
    return f"NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND {ours})"  # nosec B608 - of constants only


QUERY = f"""
SELECT 'schema ' || n.nspname || ' ' || coalesce(n.nspacl::text, '')
FROM pg_namespace n WHERE {_OURS} AND {_of_extension("pg_namespace", "n.oid")}
UNION ALL
SELECT 'extension ' || extname FROM pg_extension
UNION ALL
SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relpersistence, c.reloptions::text, c.relacl::text,
    'rls', c.relrowsecurity, c.relforcerowsecurity, 'replica', c.relreplident, pg_get_partkeydef(c.oid),
    pg_get_expr(c.relpartbound, c.oid), (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno)
    FROM pg_inherits WHERE inhrelid = c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND {_NOT_ALEMBIC} AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c')
AND {_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT concat_ws(' ', 'column', c.oid::regclass || '.' || quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid), a.attidentity,
    a.attgenerated, a.attacl::text, a.attoptions::text, CASE WHEN a.attcollation <> t.typcollation
    THEN a.attcollation::regcollation::text END)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE {_OURS} AND {_NOT_ALEMBIC} AND a.attnum > 0 AND NOT a.attisdropped
AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND {_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT concat_ws(' ', 'view', c.oid::regclass, pg_get_viewdef(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND c.relkind IN ('v', 'm') AND {_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT concat_ws(' ', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'invalid' END,
    CASE WHEN i.indisclustered THEN 'clustered' END, CASE WHEN i.indisreplident THEN 'replica identity' END)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND {_NOT_ALEMBIC} AND {_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT concat_ws(' ', 'constraint', quote_ident(x.conname), 'on',
    CASE WHEN x.conrelid <> 0 THEN x.conrelid::regclass::text ELSE x.contypid::regtype::text END,
    pg_get_constraintdef(x.oid))
FROM pg_constraint x JOIN pg_namespace n ON n.oid = x.connamespace LEFT JOIN pg_class c ON c.oid = x.conrelid
WHERE {_OURS} AND (c.oid IS NULL OR ({_NOT_ALEMBIC} AND {_of_extension("pg_class", "c.oid")}))
UNION ALL
SELECT concat_ws(' ', 'sequence', c.oid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
    s.seqcycle)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND {_of_extension("pg_class", "c.oid")}
UNION ALL
SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.proacl::text,
    CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE p.prokind::text END)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_OURS} AND {_of_extension("pg_proc", "p.oid")}
UNION ALL
SELECT concat_ws(' ', pg_get_triggerdef(g.oid), 'enabled', g.tgenabled)
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND NOT g.tgisinternal
UNION ALL
SELECT concat_ws(' ', 'policy', quote_ident(q.polname), 'on', q.polrelid::regclass, q.polcmd, q.polpermissive,
    q.polroles::regrole[]::text, pg_get_expr(q.polqual, q.polrelid), pg_get_expr(q.polwithcheck, q.polrelid))
FROM pg_policy q
UNION ALL
SELECT concat_ws(' ', 'rule', pg_get_ruledef(r.oid)) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS} AND r.rulename <> '_RETURN'
UNION ALL
SELECT concat_ws(' ', 'type', t.oid::regtype, t.typtype, t.typnotnull, t.typdefault,
    CASE WHEN t.typbasetype <> 0 THEN format_type(t.typbasetype, t.typtypmod) END)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE {_OURS} AND t.typtype IN ('d', 'e', 'r') AND {_of_extension("pg_type", "t.oid")}
UNION ALL
SELECT concat_ws(' ', 'enum', t.oid::regtype, quote_literal(e.enumlabel), 'at',
    row_number() OVER (PARTITION BY t.oid ORDER BY e.enumsortorder))
FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
UNION ALL
SELECT pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s
UNION ALL
SELECT concat_ws(' ', 'comment', pg_describe_object(classoid, objoid, objsubid), quote_literal(description))
FROM pg_description d
WHERE (classoid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = objoid AND {_OURS}))
OR (classoid = 'pg_proc'::regclass AND EXISTS (SELECT FROM pg_proc c JOIN pg_namespace n ON n.oid = c.pronamespace
    WHERE c.oid = objoid AND {_OURS} AND {_of_extension("pg_proc", "c.oid")}))
OR (classoid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type c JOIN pg_namespace n ON n.oid = c.typnamespace
    WHERE c.oid = objoid AND {_OURS}))
OR classoid = 'pg_constraint'::regclass OR classoid = 'pg_trigger'::regclass
UNION ALL
SELECT concat_ws(' ', 'publication', pubname, puballtables) FROM pg_publication
UNION ALL
SELECT concat_ws(' ', 'event trigger', evtname, evtevent, evtenabled) FROM pg_event_trigger
UNION ALL
SELECT concat_ws(' ', 'default privileges', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype,
    defaclacl::text)
FROM pg_default_acl
""".replace("%%", "%")  # nosec B608  # put together from constants only
"""One column: a line for each thing that a schema is made of."""
