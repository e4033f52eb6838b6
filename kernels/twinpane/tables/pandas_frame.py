"""Released numbers as pandas."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twinpane.joined import joined
from twinpane_broker import Category, CategoryKind, Pooled, PooledValue, ReleasedColumn, Value

from .wording import COUNTS, note

About = Callable[[str, Value, ReleasedColumn], str]
"""Between which numbers a site's number lies that is about; empty for most."""


def _nothing(_site: str, _value: Value, _column: ReleasedColumn) -> str:
    return ""


def pandas_frame(cells: Pooled, about: About = _nothing) -> Any:
    """One row per cell and site, then the pooled one; see ``Result.frame``. ``about`` gives the ends of a site's number."""
    import pandas as pd

    measures = [column for column in cells.columns if column.is_measure]
    rows = []
    for row in cells.rows:
        key = [_code(category) for category in row.key]
        own = ((site, row.sites[site]) for site in cells.released)
        rows += [
            [*key, site, *(value.value for value in part.values), False, _about(part.values),
             _note(part.values, measures, partial(about, site))]
            for site, part in own if part is not None
        ]  # fmt: skip
        lacks = any(value.partial for value in row.values if value.value is not None)
        rows.append([*key, "pooled", *(value.value for value in row.values), lacks, _about(row.values), _note(row.values, measures)])
    names = [column.name for column in cells.columns if not column.is_measure]
    made = pd.DataFrame(rows, columns=[*names, "site", *(column.name for column in measures), "partial", "about", "note"])
    return made.astype({column.name: "Int64" if column.kind in COUNTS else "Float64" for column in measures})


def _about(values: Sequence[Value | PooledValue]) -> bool:
    return any(value.about for value in values)


def _note(
    values: Sequence[Value | PooledValue], measures: Sequence[ReleasedColumn], about: Callable[[Value, ReleasedColumn], str] | None = None
) -> str | None:
    """What the table says beside the line's numbers, each after the name of its column."""
    told = []
    for value, column in zip(values, measures, strict=True):
        ends = about(value, column) if about is not None and isinstance(value, Value) else ""
        if said := ", ".join(part for part in (_said(value, column), ends) if part):
            told.append(f"{column.name}: {said}")
    return "; ".join(told) or None


def _said(value: Value | PooledValue, column: ReleasedColumn) -> str:
    lacking = f"without {joined(value.without)}" if isinstance(value, PooledValue) and value.value is not None and value.without else ""
    return ", ".join(part for part in (note(value, column), lacking) if part)


def _code(category: Category) -> Any:
    if category.kind is CategoryKind.code:
        return category.value
    return {CategoryKind.missing: None, CategoryKind.other: "(other)", CategoryKind.total: "(all)"}[category.kind]
