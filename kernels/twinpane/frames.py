"""Released numbers as pandas and as bars."""

from collections.abc import Callable
from typing import Any

from twinpane_broker.pooling import Pooled
from twinpane_broker.release import Category, CategoryKind

from .errors import TwinpaneError


def _code(category: Category) -> Any:
    if category.kind is CategoryKind.missing:
        return None
    return "(other)" if category.kind is CategoryKind.other else category.value


def frame(cells: Pooled) -> Any:
    """One row per cell and site, then the pooled one; see ``Table.frame``."""
    import pandas as pd

    measures = [column for column in cells.columns if column.is_measure]
    rows = []
    for row in cells.rows:
        key = [_code(category) for category in row.key]
        rows += [[*key, site, *(value.value for value in row.sites[site].values)] for site in cells.released if row.sites[site]]
        rows.append([*key, "pooled", *(value.value for value in row.values)])
    names = [column.name for column in cells.columns if not column.is_measure]
    made = pd.DataFrame(rows, columns=[*names, "site", *(column.name for column in measures)])
    return made.astype({column.name: "Float64" if column.kind == "mean" else "Int64" for column in measures})


def plot(cells: Pooled, measure: str | None, ax: Any, title: Callable[[str], str] = str) -> Any:
    """Bars per group and site; see ``Table.plot``."""
    import matplotlib.pyplot as plt

    measures = [column for column in cells.columns if column.is_measure]
    names = [column.name for column in measures]
    if measure is not None and measure not in names:
        raise TwinpaneError(f"this table has no measure {measure!r}; it has {', '.join(names)}", "measure")
    place = names.index(measure) if measure is not None else 0
    groups = [", ".join(category.text for category in row.key) or "all" for row in cells.rows]
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, max(1.6, 0.26 * len(groups) * (len(cells.released) + 1) + 0.9)), layout="constrained")
    thick = 0.8 / len(cells.released)
    for i, site in enumerate(cells.released):
        shift = (i - (len(cells.released) - 1) / 2) * thick
        values = [row.sites[site].values[place].value if row.sites[site] else None for row in cells.rows]
        known = [(group + shift, value) for group, value in enumerate(values) if value is not None]
        ax.barh([y for y, _ in known], [value for _, value in known], height=thick * 0.86, label=title(site))
    ax.set_yticks(range(len(groups)), groups)
    ax.invert_yaxis()
    ax.set_xlabel(f"{measures[place].label or measures[place].name}{f' ({measures[place].unit})' if measures[place].unit else ''}")
    ax.spines[["top", "right"]].set_visible(False)
    if len(cells.released) > 1:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
