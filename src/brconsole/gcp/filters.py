"""The filter languages of Monitoring and Logging, written so that both read them the same way: every term in
parentheses.

Logging binds OR tighter than AND, the reverse of most languages (reference/google-cloud-facts.md §7).
"""

from __future__ import annotations


def quoted(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def equals(field: str, value: str) -> str:
    """`field = "value"`."""
    return f"{field} = {quoted(value)}"


def all_of(*terms: str) -> str:
    """Every term holds."""
    return " AND ".join(f"({term})" for term in terms)


def any_of(*terms: str) -> str:
    """One of the terms holds."""
    return " OR ".join(f"({term})" for term in terms)
