"""Which rows a row of a released table speaks of, told from its categories alone."""

import numpy as np
import pandas as pd

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Bin, Group

from .rows import column_of, holds_code, is_missing

Key = tuple[Category, ...]


def members(key: Key, groups: tuple[Group, ...], table: list[Key], rows: pd.DataFrame, catalogue: Catalogue) -> np.ndarray:
    """Where a row of data belongs to the cell ``key`` of a table with the rows ``table``."""
    inside = np.ones(len(rows), dtype=bool)
    for place, (category, group) in enumerate(zip(key, groups, strict=True)):
        inside &= in_category(category, group, {each[place] for each in table}, rows, catalogue)
    return inside


def in_category(category: Category, group: Group, listed: set[Category], rows: pd.DataFrame, catalogue: Catalogue) -> np.ndarray:
    """Where a row holds one category of one dimension, beside the other categories that are listed."""
    values = rows[group.column]
    gone = is_missing(values)
    column = column_of(group.column, catalogue)
    match category.kind:
        case CategoryKind.total:
            return np.ones(len(rows), dtype=bool)
        case CategoryKind.missing:
            return gone
        case CategoryKind.code if group.width is not None:
            return _in_bin(
                float(category.value), group.width, [float(each.value) for each in listed if each.kind is CategoryKind.code], values
            )
        case CategoryKind.code:
            return _holds(category, group, values)
    # The rest: what is no approved code or listed bin, and what is missing where that is no category.
    if group.bin is None:
        known = holds_code(values, tuple(code.value for code in column.codes))
    else:
        bins = [each for each in listed if each.kind is CategoryKind.code]
        known = np.logical_or.reduce([_holds(each, group, values) for each in bins])
    rest = ~known & ~gone
    return rest if any(each.kind is CategoryKind.missing for each in listed) else rest | gone


def _in_bin(start: float, width: float, bins: list[float], values: pd.Series) -> np.ndarray:
    """What lies below the first bin is in it, and what lies above the last one in that."""
    numbers = values.to_numpy(dtype="float64")
    return ((numbers >= start) | (start == min(bins)) & ~np.isnan(numbers)) & ((numbers < start + width) | (start == max(bins)))


def _holds(category: Category, group: Group, values: pd.Series) -> np.ndarray:
    if group.bin is None:
        return holds_code(values, (category.value,))
    days = pd.to_datetime(values)
    names = {
        Bin.year: days.dt.strftime("%Y"),
        Bin.quarter: days.dt.year.astype("Int64").astype("string") + "-Q" + days.dt.quarter.astype("Int64").astype("string"),
        Bin.month: days.dt.strftime("%Y-%m"),
    }[group.bin]
    return (names == category.value).fillna(False).to_numpy(dtype=bool)
