"""For a measure that holds many laboratory values: say which one a question is about, or how to choose one."""

from collections.abc import Iterable

from twinpane_broker import CodeValue, Column, Predicate, Table, choices, narrowed, step_of

SHOWN = 12
"""Codes named in the sentence, at most."""


def choice(tables: Iterable[Table], name: str, conditions: Iterable[Predicate]) -> str:
    """A sentence or two for the page of column ``name``; empty where there is nothing to choose.

    ``tables`` are the same table at each site. ``conditions`` are the question's, all of which must hold.
    """
    conditions, tables = tuple(conditions), tuple(tables)
    for table in tables:
        if (column := narrowed(table, name, conditions)) is not table.column(name):
            return _chosen(table, column)
    for table in tables:
        if (open_ := choices(table, table.known_column(name))) is not None:
            return _open(table, name, *open_)
    return ""


def _chosen(table: Table, column: Column) -> str:
    low, high = column.known_bounds
    percentiles = ", ".join(f"{column.knots[at]:,.12g}" for at in (0, len(column.knots) // 2, -1)) if column.knots else ""
    middle = f" Its 5th, 50th and 95th percentile: {percentiles} (rounded)." if percentiles else ""
    return (
        f"Of this {column.follows}, bins, ranges and quantiles are from {low:,.12g} to {high:,.12g} at multiples of {step_of(column):g}; "
        f"values beyond are in the end bins.{middle}"
    )


def _open(table: Table, name: str, follows: Column, codes: tuple[CodeValue, ...]) -> str:
    labels = {code.value: code.label for code in follows.codes}
    named = [f"{code!r} {labels.get(code, '')}".strip() for code in codes[:SHOWN]]
    more = f", and {len(codes) - SHOWN:,} more" if len(codes) > SHOWN else ""
    return (
        f"{name} holds another thing for each {follows.name}: choose one, as in "
        f'tp.profile("{table.name}", "{name}", {follows.name}={codes[0]!r}). There are {", ".join(named)}{more}; '
        f'tp.catalogue()["{table.name}"]["{follows.name}"] has them all.'
    )
