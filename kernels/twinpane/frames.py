"""Released numbers as pandas and as bars."""

from typing import Any

from twinpane_broker.release import Category, CategoryKind

from .errors import TwinpaneError
from .merge import Merged


def _code(category: Category) -> Any:
    if category.kind is CategoryKind.missing:
        return None
    return "(other)" if category.kind is CategoryKind.other else category.value


def frame(merged: Merged) -> Any:
    """One row per cell and site, then the pooled one; see ``Table.frame``."""
    import pandas as pd

    rows = []
    for line in merged.lines:
        for site in merged.sites:
            cells = [values[site] for values in line.values]
            if any(cell is not None for cell in cells):
                rows.append([*map(_code, line.key), site, *(cell.value if cell else None for cell in cells)])
        rows.append([*map(_code, line.key), "pooled", *(pooled.value for pooled in line.pooled)])
    names = [column.name for column in merged.dimensions]
    made = pd.DataFrame(rows, columns=[*names, "site", *(column.name for column in merged.measures)])
    return made.astype({column.name: "Float64" if column.kind == "mean" else "Int64" for column in merged.measures})


def plot(merged: Merged, measure: str | None, ax: Any) -> Any:
    """Bars per group and site; see ``Table.plot``."""
    import matplotlib.pyplot as plt

    names = [column.name for column in merged.measures]
    if measure is not None and measure not in names:
        raise TwinpaneError(f"this table has no measure {measure!r}; it has {', '.join(names)}", "measure")
    place = names.index(measure) if measure is not None else 0
    column = merged.measures[place]
    groups = [", ".join(category.text for category in line.key) or "all" for line in merged.lines]
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, max(1.6, 0.26 * len(groups) * (len(merged.sites) + 1) + 0.9)), layout="constrained")
    thick = 0.8 / len(merged.sites)
    for i, site in enumerate(merged.sites):
        shift = (i - (len(merged.sites) - 1) / 2) * thick
        cells = enumerate(line.values[place][site] for line in merged.lines)
        known = [(group + shift, cell.value) for group, cell in cells if cell and cell.value is not None]
        ax.barh([y for y, _ in known], [value for _, value in known], height=thick * 0.86, label=site)
    ax.set_yticks(range(len(groups)), groups)
    ax.invert_yaxis()
    ax.set_xlabel(f"{column.label or column.name}{f' ({column.unit})' if column.unit else ''}")
    ax.spines[["top", "right"]].set_visible(False)
    if len(merged.sites) > 1:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
