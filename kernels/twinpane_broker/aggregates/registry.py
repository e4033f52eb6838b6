"""All aggregates. To add one, write its own module beside this one, and list it here."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, get_args

from pydantic import Field

from .aggregate import OfColumn
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

    count = "count"  # type: ignore[assignment]  # as a member it hides str.count, which nobody calls on one
    persons = "persons"
    share = "share"
    mean = "mean"
    sum = "sum"
    sd = "sd"
    var = "var"
    quantile = "quantile"
    correlation = "correlation"


Measure = Annotated[Count | Persons | Share | Mean | Sum | Sd | Var | Quantile | Correlation, Field(discriminator="kind")]
"""A measure of a plan: the aggregate that its ``kind`` names, with what that is of."""

AGGREGATES: Mapping[MeasureKind, type[Measure]] = {MeasureKind(each.name()): each for each in get_args(get_args(Measure)[0])}

OF_ONE_COLUMN: Mapping[str, MeasureKind] = {
    name: kind for kind, aggregate in AGGREGATES.items() if issubclass(aggregate, OfColumn) for name in aggregate.sql
}
"""By name in SQL: the aggregates of one plain column and nothing else."""


def measure_of(kind: str, **said: Any) -> Measure:
    """The measure of a kind, by its name. Raises ValueError for an unknown kind, and ``pydantic.ValidationError`` as ``Aggregate`` does."""
    return AGGREGATES[MeasureKind(kind)](**said)
