"""Measures by their names, as in ``("persons", mean="age", quantiles={"age": (25, 75)})``, and the part of a plan that each becomes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twinpane.errors import Refused
from twinpane_broker import AGGREGATES, Aggregate, Correlation, Measure, OfCell, OfColumn, Quantile, Share, measure_of

from .plan_part import made

PLAIN = tuple(str(kind) for kind, aggregate in AGGREGATES.items() if issubclass(aggregate, OfCell))
"""Measures that need no column."""
OF_COLUMN = tuple(str(kind) for kind, aggregate in AGGREGATES.items() if issubclass(aggregate, OfColumn))
"""Measures of one column, by name."""
OF_A_COLUMN = (*OF_COLUMN, "median", "p5", "p10", "p25", "p50", "p75", "p90", "p95")
PERCENTS = (5, 10, 25, 50, 75, 90, 95)
"""Quantiles that sites release. Minimum and maximum are not among them: they are single persons' values."""
QUARTILES = (25, 50, 75)
DESCRIBED = ("mean", "sd", "p5", "p25", "p50", "p75", "p95")
"""The measures that describe a column."""

Named = Callable[[str], str]
"""Gives a column its table: ``age`` -> ``person.age``."""


def measures(named: Named, plain: Iterable[str | Measure], given: Mapping[str, Any]) -> tuple[Measure, ...]:
    """The measures that ``Question.measures`` was given, in their order, some of them made already; raises Refused for an unknown one."""
    found: list[Measure] = [one if isinstance(one, Aggregate) else of_rows(one) for one in plain]
    for kind, value in given.items():
        if kind == "share":
            found.append(share(named, value))
        elif kind == "correlation":
            found += [correlation(named, *pair) for pair in _pairs(value)]
        elif kind == "quantiles":
            if not isinstance(value, Mapping):
                value = dict.fromkeys(_texts(value), QUARTILES)
            found += [quantile(named, column, percent) for column, percents in value.items() for percent in _numbers(percents)]
        else:
            found += [of_column(named, kind, column) for column in _texts(value)]
    return tuple(found)


def of_rows(kind: str) -> Measure:
    """``count``, ``persons`` or ``share``."""
    if kind not in PLAIN:
        hint = f"{kind}=“column”" if kind in OF_A_COLUMN else "count, persons, share, mean=…, sum=…, sd=…, median=…"
        raise Refused(f"there is no measure {kind!r} without a column; write {hint}", "grammar")
    return measure_of(kind)


def of_column(named: Named, kind: str, column: str) -> Measure:
    """A measure of one column, by its name: ``mean``, ``p95``."""
    if kind not in OF_A_COLUMN:
        raise Refused(f"there is no measure {kind!r}; there are {', '.join((*PLAIN, *OF_A_COLUMN, 'quantiles', 'correlation'))}", "grammar")
    if kind == "median":
        return quantile(named, column, 50)
    if kind[1:].isdigit():
        return quantile(named, column, int(kind[1:]))
    return made(measure_of, kind=kind, column=named(column))


def quantile(named: Named, column: str, percent: int) -> Quantile:
    """The value that ``percent`` percent of the values do not exceed."""
    if percent not in PERCENTS or isinstance(percent, bool):
        told = "0.5 is 50; " if isinstance(percent, float) and 0 < percent < 1 else ""
        raise Refused(f"sites release the quantiles {', '.join(map(str, PERCENTS))} (percent), not {percent}: {told}extremes are persons",
                      "grammar")  # fmt: skip
    return made(Quantile, column=named(column), percent=int(percent))


def share(named: Named, within: str | Iterable[str] | None) -> Share:
    """Percent of the persons: of all (None), or within the categories of grouped columns."""
    columns = () if within is None else tuple(_texts(within))
    return made(Share, within=tuple(named(column) for column in columns))


def correlation(named: Named, column: str, other: str) -> Correlation:
    """Pearson's correlation of two columns."""
    return made(Correlation, column=named(column), other=named(other))


def _texts(value: Any) -> list[str]:
    """One column's name or several."""
    if isinstance(value, str):
        return [value]
    listed = list(value) if isinstance(value, Iterable) and not isinstance(value, Mapping) else []
    if listed and all(isinstance(one, str) for one in listed):
        return listed
    raise Refused(f"columns are named as text, or as a list of texts, not as {value!r:.80}", "grammar")


def _numbers(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _pairs(value: Any) -> list[tuple[str, str]]:
    """One pair of columns or several."""
    listed = list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else []
    if len(listed) == 2 and all(isinstance(one, str) for one in listed):
        return [(listed[0], listed[1])]
    if listed and all(isinstance(one, tuple | list) and len(one) == 2 for one in listed):
        return [(one[0], one[1]) for one in listed]
    raise Refused("a correlation is of two columns: correlation=(“age”, “weight”)", "grammar")
