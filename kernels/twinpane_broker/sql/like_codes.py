"""What to write instead of LIKE: the approved codes that match it, by themselves or by their names."""

import re

from twinpane_broker.catalogue.catalogue import Code, CodeValue, Role

from .refusals import reason_of
from .said import Like
from .scope import Looked, Scope

MOST = 350
"""Characters of a list of codes in a message."""


def like_instead(said: Like, scope: Scope) -> str:
    """The words of the refusal. The codes are the catalogue's, which everybody may read."""
    target = scope.target(said.column)
    column = target.of.column if isinstance(target, Looked) else target
    meaning = scope.meaning(column) if isinstance(column, str) else None
    plain = reason_of("ilike" if said.any_case else "like")
    if column is None or meaning is None or meaning.role is not Role.dimension:
        return plain
    by_name = isinstance(target, Looked) and target.column == "concept_name"
    found = [code.value for code in meaning.codes if _matches(said, code, by_name=by_name)]
    if not found:
        return f"{plain} No approved code of {column} matches {said.pattern[:60]!r}; tp.catalogue() lists them."
    listed = f"{column} {'NOT ' if said.negated else ''}IN ({', '.join(map(_written, found))})"
    if len(listed) > MOST:
        return f"{plain} {len(found):,} approved codes match {said.pattern[:60]!r}: tp.catalogue().find(…).codes() lists them for where(…)."
    return f"{plain} Those that match are: {listed}."


def _matches(said: Like, code: Code, *, by_name: bool) -> bool:
    text = code.label if by_name else str(code.value)
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in said.pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL | (re.IGNORECASE if said.any_case else re.NOFLAG)) is not None


def _written(value: CodeValue) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).lower()
