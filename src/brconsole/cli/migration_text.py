"""The migrations of a fleet in one sentence, for its table and its lines."""

from __future__ import annotations

from brconsole.domain.migration_view import MigrationView
from brconsole.domain.text import clean


def told(view: MigrationView) -> str:
    """Where the database stands, what is pending and how the newest run is, without a full stop."""
    if view.job is None:
        return "there is no migration job"
    schema, run = view.schema, view.last_run
    if schema is None:
        words = "not known where the database stands"
    else:
        words = f"database at {schema.applied or 'no revision'}, head is {schema.head or 'not known'}"
        words += f", {len(schema.pending)} pending" if schema.pending else ", nothing pending"
        words += f" (in doubt: {schema.doubt})" if schema.doubt else ""
    last = "" if run is None else f"; {run.name} {run.state.value}"
    return clean(f"{words}{last}", 300)
