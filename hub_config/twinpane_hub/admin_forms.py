"""Read the form of a project: text fields into the types that the API takes."""

import re
from collections.abc import Callable, Sequence

from .network.requests import NewProject
from .projects import ProjectsError


def words_of(text: str) -> tuple[str, ...]:
    """Names between commas, blanks and line ends."""
    return tuple(filter(None, re.split(r"[\s,;]+", text)))


def tables_of(text: str) -> dict[str, tuple[str, ...]]:
    """Lines as ``lab: value, unit``, or a table alone. Raises ProjectsError."""
    found: dict[str, tuple[str, ...]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        table, _, columns = line.partition(":")
        if table.strip() in found:
            raise ProjectsError(f"table {table.strip()} is named twice")
        found[table.strip()] = words_of(columns)
    return found


def new_project(field: Callable[[str], str], sites: Sequence[str]) -> NewProject:
    """The project of a form. Raises ProjectsError and pydantic's ValidationError."""
    if not sites:
        raise ProjectsError("Choose at least one site that is asked.")
    return NewProject.model_validate({
        "id": field("id"), "title": field("title"), "purpose": field("purpose"), "legal_basis": field("legal_basis"), "sites": sites,
        "members": words_of(field("members")), "reviewers": words_of(field("reviewers")), "tables": tables_of(field("tables")),
        "day_bits": field("day_bits") or None, "total_bits": field("total_bits") or None, "expires": field("expires"),
    })  # fmt: skip
