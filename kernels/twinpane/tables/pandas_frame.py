"""Released numbers as pandas."""

from collections.abc import Sequence
from typing import Any

from twinpane.joined import joined
from twinpane_broker import Category, CategoryKind, Pooled, PooledRow, PooledValue, Value

from .wording import COUNTS, WITH_ENDS, ends, measures, note


def pandas_frame(cells: Pooled) -> Any:
    """One row per cell and site, then the pooled one; see ``Result.frame``."""
    import pandas as pd

    told = measures(cells)
    spanned = [place for place, column in enumerate(told) if column.kind in WITH_ENDS]
    rows = []
    for row in cells.rows:
        key = [_code(category) for category in row.key]
        for site in [*(site for site in cells.released if row.sites[site] is not None), None]:
            own = row if site is None else row.sites[site]
            values: Sequence[Value | PooledValue] = () if own is None else own.values
            lacks = site is None and any(value.partial for value in row.values if value.value is not None)
            spans = [end for place in spanned for end in ends(cells, row, place, site) or (None, None)]
            about, said = any(value.about for value in values), _note(cells, row, site)
            rows.append([*key, site or "pooled", *(value.value for value in values), lacks, about, said, *spans])
    names = [column.name for column in cells.columns if not column.is_measure]
    low_high = {f"{told[place].name}_{end}": place for place in spanned for end in ("low", "high")}
    made = pd.DataFrame(rows, columns=[*names, "site", *(column.name for column in told), "partial", "about", "note", *low_high])
    kinds = ["Int64" if column.kind in COUNTS else "Float64" for column in told]
    named = dict(zip((column.name for column in told), kinds, strict=True))
    return made.astype(named | {name: kinds[place] for name, place in low_high.items()})


def _note(cells: Pooled, row: PooledRow, site: str | None) -> str | None:
    """What the table says beside the line's numbers, each after the name of its column."""
    told = []
    for place, column in enumerate(measures(cells)):
        lacking = _lacking(row, place) if site is None else ""
        if said := ", ".join(part for part in (note(cells, row, place, site), lacking) if part):
            told.append(f"{column.name}: {said}")
    return "; ".join(told) or None


def _lacking(row: PooledRow, place: int) -> str:
    value = row.values[place]
    return f"without {joined(value.without)}" if value.value is not None and value.without else ""


def _code(category: Category) -> Any:
    if category.kind is CategoryKind.code:
        return category.value
    return {CategoryKind.missing: None, CategoryKind.other: "(other)", CategoryKind.total: "(all)"}[category.kind]
