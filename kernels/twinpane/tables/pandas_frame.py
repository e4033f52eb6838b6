"""Released numbers as pandas."""

from typing import Any

from twinpane_broker import Category, CategoryKind, Pooled

from .wording import COUNTS


def pandas_frame(cells: Pooled) -> Any:
    """One row per cell and site, then the pooled one; see ``Result.frame``."""
    import pandas as pd

    measures = [column for column in cells.columns if column.is_measure]
    rows = []
    for row in cells.rows:
        key = [_code(category) for category in row.key]
        own = ((site, row.sites[site]) for site in cells.released)
        rows += [
            [*key, site, *(value.value for value in part.values), False, any(value.about for value in part.values)]
            for site, part in own if part is not None
        ]  # fmt: skip
        partial = any(value.partial for value in row.values if value.value is not None)
        rows.append([*key, "pooled", *(value.value for value in row.values), partial, any(value.about for value in row.values)])
    names = [column.name for column in cells.columns if not column.is_measure]
    made = pd.DataFrame(rows, columns=[*names, "site", *(column.name for column in measures), "partial", "about"])
    return made.astype({column.name: "Int64" if column.kind in COUNTS else "Float64" for column in measures})


def _code(category: Category) -> Any:
    if category.kind is CategoryKind.code:
        return category.value
    return {CategoryKind.missing: None, CategoryKind.other: "(other)", CategoryKind.total: "(all)"}[category.kind]
