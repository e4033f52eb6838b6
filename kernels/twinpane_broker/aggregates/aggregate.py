"""The base of an aggregate: everything about one kind of number, from its name in SQL to how it is pooled.

A plan's measure is an instance of its aggregate, and names its columns. There are three groups, by the evidence that they need: a cell's
persons and rows (``OfCell``), the values of one measure column (``OfValues``), or the values of two (``OfPair``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, model_validator

from twinpane_broker.catalogue.catalogue import Column, ColumnRef, Identifier
from twinpane_broker.model import Closed

from .pooled import Absent, Parts, PooledValue
from .value import End, Value

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import CellEvidence, Pair, Spread
    from twinpane_broker.rules.cell_key import Counter
    from twinpane_broker.rules.policy import Rules


MAX_DIMENSIONS = 4
Nothing = tuple[()]
WRONG = {
    "other": "a correlation, and nothing else, needs two columns",
    "percent": "a quantile, and nothing else, needs its percent",
    "within": "only a share is within something",
}
"""What to say where a measure has what its kind does not take, or lacks what it needs; a column has its own words."""


class Shown(StrEnum):
    """How to write a number for people."""

    count = "count"  # type: ignore[assignment]  # as a member it hides str.count, which nobody calls on one
    """``1,230``"""
    percent = "percent"
    """``12.3 %``"""
    digits = "digits"
    """``6.80``: with the digits that are released"""
    whole = "whole"
    """``62.5``: as it is"""


class Aggregate(Closed, ABC):
    """One number per cell, over a plain column: a sum of an expression can pack many people's bits into one number.

    Every measure of a plan has every field, so that its JSON has one form. Each kind types the fields that it does not take as empty.
    Class attributes are data of the kind. Methods are pure. Raises ``pydantic.ValidationError`` for fields that do not fit the kind.
    """

    model_config = ConfigDict(defer_build=True)  # a plan builds all validators once; a single kind builds its own on first use

    kind: str
    """In plans and releases: the tag by which a measure's type is known."""
    column: ColumnRef | None = None
    """The measure column. Of persons and shares of them, the person key or None."""
    other: ColumnRef | None = None
    """The second measure column of a correlation."""
    percent: int | None = None
    """Of a quantile."""
    within: tuple[ColumnRef, ...] = ()
    """Of a share: the grouped columns within whose categories it adds up to 100 %; empty: within the whole question."""
    label: Identifier | None = None

    sql: ClassVar[tuple[str, ...]]
    """Its names in SQL; the first one is written in messages."""
    written: ClassVar[str] = ""
    """Its name in SQL that is written for people, where that is not the first."""
    heading: ClassVar[str] = ""
    """Along an axis, where that is not the column's own name."""
    shown: ClassVar[Shown] = Shown.digits
    of_persons: ClassVar[bool] = False
    """Whether it counts persons: its column, where one is written, is the person key."""
    of_rows: ClassVar[bool] = False
    """Whether a person with two rows counts twice in it."""
    takes_within: ClassVar[bool] = False
    """Whether it is a part of something: of the whole question, or of what it is ``within``."""
    under_noise: ClassVar[bool] = True
    """Whether differential privacy has a noise of known size for it."""
    pools_with: ClassVar[str] = ""
    """The aggregate of the same column whose value it needs to be pooled fully."""
    digits: ClassVar[int | None] = None
    """Significant digits when it is pooled or written; None: all."""
    code: ClassVar[str] = ""
    """Of the rule that it is released by, in ``Release.rules``; empty where the rules of every cell are all."""
    sentence: ClassVar[str] = ""
    """That rule in words, with its parameters in braces."""

    @model_validator(mode="before")
    @classmethod
    def _has_what_its_kind_needs(cls, raw: Any) -> Any:
        """Raise an error in words: an error from the fields' types would name neither the kind nor the remedy."""
        if not isinstance(raw, dict):
            return raw
        needed, takes_none = cls.model_fields["column"].is_required(), cls.model_fields["column"].annotation is NoneType
        if needed and raw.get("column") is None:
            raise ValueError(f"a {cls.name()} needs a column")
        if takes_none and raw.get("column") is not None:
            raise ValueError(f"a {cls.name()} counts rows and takes no column")
        for name, sentence in WRONG.items():
            said, field = raw.get(name) not in (None, (), []), cls.model_fields[name]
            if (field.is_required() and not said) or (said and field.annotation in (NoneType, Nothing)):
                raise ValueError(sentence)
        return raw

    @classmethod
    def name(cls) -> str:
        """The ``kind`` of all measures of this type."""
        return str(cls.model_fields["kind"].default)

    @property
    def plain_name(self) -> str:
        """The name of its column in a result if it has no label."""
        return self.kind

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """The parameters of its disclosure rule."""
        return {}

    def unit(self, unit: str) -> str:
        """Its unit, from the column's unit."""
        return unit

    @classmethod
    @abstractmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The pooled number over sites."""


class OfCell(Aggregate):
    """A number about a cell's persons or rows."""

    other: None = None
    percent: None = None

    @abstractmethod
    def number(self, cell: "CellEvidence", whole: "CellEvidence | None", counter: "Counter") -> Value:
        """The number as it is shown. ``whole`` is a share's denominator, None if that is suppressed."""

    @abstractmethod
    def noisy(self, persons: int, whole: int, off: int) -> Value:
        """The number as it is shown, from numbers of persons that already carry noise, and by how many rounding moved each at most."""


class OfValues(Aggregate):
    """A number about the values of one measure, clipped to the catalogue's bounds."""

    column: ColumnRef
    other: None = None
    within: Nothing = ()

    of_rows = True
    needs_squares: ClassVar[bool] = False
    """Whether it is computed from the sum of squares."""
    needs_bins: ClassVar[bool] = False
    """Whether it is computed from how many values lie in each bin of the measure's grid."""
    tells_clipped: ClassVar[bool] = False
    """Whether it says which share of the values was clipped to the catalogue's bounds, if many were."""
    tells_n: ClassVar[bool] = False
    """Whether the number of values follows from it and a mean."""
    follows_from_sums: ClassVar[bool] = True
    """Whether it and others of its column give each other away, so that all are held back together."""

    @property
    def plain_name(self) -> str:
        """The kind and its column."""
        return f"{self.kind}_{self.column.partition('.')[2]}"[:63]

    def needs(self, rules: "Rules") -> int:
        """Persons without whom it is never shown."""
        return rules.threshold

    def is_safe(self, spread: "Spread", rules: "Rules", knots: tuple[float, ...] = ()) -> bool:
        """Whether it may be shown, given that a mean of the same values may. ``knots``: the catalogue's quantiles of such values."""
        return True

    def told(self, spread: "Spread", column: Column, whole: Column, counter: "Counter") -> tuple[float, End | None]:
        """The number as it is shown, and whether it stands for all beyond it. ``column`` may have a narrower grid than ``whole``."""
        return self.number(spread, column, counter), None

    def decimals(self, shown: float, column: Column, n: int, counter: "Counter") -> int | None:
        """To how many decimals the number is known, where it is not written with so many; from shown numbers alone."""
        return None

    @abstractmethod
    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """The number as it is shown. ``column`` is the catalogue's; an aggregate that ``needs_bins`` gets it with the narrowed grid."""


class OfColumn(OfValues):
    """A number about the values of one measure, without further parameters."""

    percent: None = None


class OfPair(Aggregate):
    """A number about the values of two measures, over the rows that have both."""

    column: ColumnRef
    other: ColumnRef
    percent: None = None
    within: Nothing = ()

    of_rows = True
    under_noise = False

    @property
    def plain_name(self) -> str:
        """The kind and its two columns."""
        return f"{self.kind}_{self.column.partition('.')[2]}_{self.other.partition('.')[2]}"[:63]

    @abstractmethod
    def needs(self, rules: "Rules") -> int:
        """Persons without whom it is never shown."""

    @abstractmethod
    def is_safe(self, pair: "Pair", rules: "Rules") -> bool:
        """Whether it may be shown."""

    @abstractmethod
    def number(self, pair: "Pair", counter: "Counter") -> float:
        """The number as it is shown."""
