"""Released numbers as pandas."""

from collections.abc import Sequence
from typing import Any

from twinpane.joined import joined
from twinpane_broker import Category, CategoryKind, Pooled, PooledValue, ReleasedColumn, Value

from .wording import COUNTS, note


def pandas_frame(cells: Pooled) -> Any:
    """One row per cell and site, then the pooled one; see ``Result.frame``."""
    import pandas as pd

    measures = [column for column in cells.columns if column.is_measure]
    rows = []
    for row in cells.rows:
        key = [_code(category) for category in row.key]
        own = ((site, row.sites[site]) for site in cells.released)
        rows += [
            [*key, site, *(value.value for value in part.values), False, _about(part.values), _note(part.values, measures)]
            for site, part in own if part is not None
        ]  # fmt: skip
        partial = any(value.partial for value in row.values if value.value is not None)
        rows.append([*key, "pooled", *(value.value for value in row.values), partial, _about(row.values), _note(row.values, measures)])
    names = [column.name for column in cells.columns if not column.is_measure]
    made = pd.DataFrame(rows, columns=[*names, "site", *(column.name for column in measures), "partial", "about", "note"])
    return made.astype({column.name: "Int64" if column.kind in COUNTS else "Float64" for column in measures})


def _about(values: Sequence[Value | PooledValue]) -> bool:
    return any(value.about for value in values)


def _note(values: Sequence[Value | PooledValue], measures: Sequence[ReleasedColumn]) -> str | None:
    """What the table says beside the line's numbers, each after the name of its column."""
    told = [f"{column.name}: {said}" for value, column in zip(values, measures, strict=True) if (said := _said(value, column))]
    return "; ".join(told) or None


def _said(value: Value | PooledValue, column: ReleasedColumn) -> str:
    lacking = f"without {joined(value.without)}" if isinstance(value, PooledValue) and value.value is not None and value.without else ""
    return ", ".join(part for part in (note(value, column), lacking) if part)


def _code(category: Category) -> Any:
    if category.kind is CategoryKind.code:
        return category.value
    return {CategoryKind.missing: None, CategoryKind.other: "(other)", CategoryKind.total: "(all)"}[category.kind]
