"""All aggregates. A new one is a module of its own beside this one, and its two lines here."""

from collections.abc import Mapping
from enum import StrEnum

from .aggregate import Aggregate, OfPair, OfValues
from .correlation import Correlation
from .count import Count
from .mean import Mean
from .persons import Persons
from .quantile import Quantile
from .sd import Sd
from .share import Share
from .sum import Sum
from .var import Var


class MeasureKind(StrEnum):
    """What is computed in each cell."""

    count = "count"
    persons = "persons"
    share = "share"
    mean = "mean"
    sum = "sum"
    sd = "sd"
    var = "var"
    quantile = "quantile"
    correlation = "correlation"


AGGREGATES: Mapping[MeasureKind, Aggregate] = {
    MeasureKind(made.name): made for made in (Count(), Persons(), Share(), Mean(), Sum(), Sd(), Var(), Quantile(), Correlation())
}

OF_PERSONS = tuple(kind for kind, aggregate in AGGREGATES.items() if aggregate.of_persons)
"""The kinds that count persons; their column, where one is written, is the person key."""
PER_VALUE = tuple(kind for kind, aggregate in AGGREGATES.items() if isinstance(aggregate, OfValues | OfPair))
"""The kinds that are computed from a measure column."""
OF_ONE_COLUMN: Mapping[str, MeasureKind] = {
    name: kind
    for kind, aggregate in AGGREGATES.items()
    if isinstance(aggregate, OfValues) and not aggregate.takes_percent
    for name in aggregate.sql
}
"""By name in SQL: the aggregates of one plain column and nothing else."""
