"""The conditions that a plan may put on rows: code sets, measure ranges, date windows, missing values, and AND, OR, NOT of these.

A comparison with a missing value is neither true nor false, as in SQL: ``Not(In(sex, F))`` holds for rows whose sex is known
and is not F. ``Missing`` asks for the others.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import Field, StringConstraints, field_validator, model_validator

from twinpane_broker.catalogue.catalogue import ColumnRef
from twinpane_broker.model import Closed

MAX_TERMS = 8
"""Comparisons of one plan: every further one makes singling out a person cheaper."""
MAX_DEPTH = 4
"""AND, OR and NOT inside each other."""
MAX_CODES = 10_000
"""Codes of all code sets of a plan together."""

Day = Annotated[date, Field(ge=date(1800, 1, 1), le=date(2200, 1, 1))]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
CodeValue = bool | Whole | float | Annotated[str, StringConstraints(max_length=200)]


CodeOrder = tuple[str, Any]
"""A code with the name of its type, which makes values of one name comparable."""


def code_order(value: CodeValue) -> CodeOrder:
    """A sort key that orders codes of different types together, and keeps true apart from 1."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", value)
    return ("text", value)


LARGEST_UNLISTED = 2**31 - 4
"""The largest code that a code set finds without its being approved; concept ids are smaller."""


def has_unlisted_number(code: CodeValue) -> TypeGuard[int]:
    """Whether a code set finds a code of a column of whole numbers that is not approved (``LARGEST_UNLISTED``)."""
    return isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= LARGEST_UNLISTED


class In(Closed):
    """The column holds one of these codes, all of them approved in the catalogue."""

    op: Literal["in"] = "in"
    column: ColumnRef
    codes: Annotated[tuple[CodeValue, ...], Field(min_length=1, max_length=MAX_CODES)]
    descendants: bool = False
    """Also the codes below these in the site's vocabulary. All of these count, also those too rare to be approved by themselves."""

    @field_validator("codes")
    @classmethod
    def _once_and_in_order(cls, codes: tuple[CodeValue, ...]) -> tuple[CodeValue, ...]:
        kept = {code_order(code): code for code in reversed(codes)}
        return tuple(kept[key] for key in sorted(kept))


class CodeSet(In):
    """A code set as a site resolved it: approved codes and others, and the asked ones, which may be neither. No plan can hold one."""


class Concept(Closed):
    """One line of a concept set: a code, alone or with its descendants, to include or to exclude."""

    code: CodeValue
    descendants: bool = False
    excluded: bool = False


class ConceptSet(Closed):
    """The column holds one of the codes of a concept set, as definitions made elsewhere (ATLAS) give it.

    The site resolves it: all included codes without the excluded ones, approved or not.
    """

    op: Literal["concepts"] = "concepts"
    column: ColumnRef
    items: Annotated[tuple[Concept, ...], Field(min_length=1, max_length=MAX_CODES)]

    @field_validator("items")
    @classmethod
    def _once_and_in_order(cls, items: tuple[Concept, ...]) -> tuple[Concept, ...]:
        kept = {(code_order(item.code), item.descendants, item.excluded): item for item in reversed(items)}
        return tuple(kept[key] for key in sorted(kept))


class Missing(Closed):
    """The column holds no value."""

    op: Literal["missing"] = "missing"
    column: ColumnRef


class Range(Closed):
    """The measure lies in ``low <= value < high``; either end may be open (None). The ends are edges of the catalogue."""

    op: Literal["range"] = "range"
    column: ColumnRef
    low: float | None = None
    high: float | None = None
    above: bool = False
    """The lower end itself is left out (``value > low``)."""
    through: bool = False
    """The upper end itself belongs to it (``value <= high``)."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("a range needs a low or a high end")
        if (self.above and self.low is None) or (self.through and self.high is None):
            raise ValueError("above goes with a low end, through with a high end")
        return self


class Window(Closed):
    """The date lies in ``start <= day < end``; either end may be open (None). The ends are first days of months."""

    op: Literal["window"] = "window"
    column: ColumnRef
    start: Day | None = None
    end: Day | None = None
    after: bool = False
    """The first day itself is left out."""
    through: bool = False
    """The last day itself belongs to it."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.start is None and self.end is None:
            raise ValueError("a window needs a start or an end")
        if (self.after and self.start is None) or (self.through and self.end is None):
            raise ValueError("after goes with a start, through with an end")
        return self


class AllOf(Closed):
    """Every term holds."""

    op: Literal["all"] = "all"
    terms: Annotated[tuple["Predicate", ...], Field(min_length=1, max_length=MAX_TERMS)]


class AnyOf(Closed):
    """At least one term holds."""

    op: Literal["any"] = "any"
    terms: Annotated[tuple["Predicate", ...], Field(min_length=1, max_length=MAX_TERMS)]


class Not(Closed):
    """The term does not hold."""

    op: Literal["not"] = "not"
    term: "Predicate"


Predicate = Annotated[In | ConceptSet | Missing | Range | Window | AllOf | AnyOf | Not, Field(discriminator="op")]
Leaf = In | ConceptSet | Missing | Range | Window

AllOf.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()


def leaves(predicate: "Predicate | None") -> Iterator[Leaf]:
    """Every comparison of a predicate, from left to right."""
    if isinstance(predicate, AllOf | AnyOf):
        for term in predicate.terms:
            yield from leaves(term)
    elif isinstance(predicate, Not):
        yield from leaves(predicate.term)
    elif predicate is not None:
        yield predicate


def conjuncts(predicate: "Predicate | None") -> tuple["Predicate", ...]:
    """The terms that must all hold."""
    if predicate is None:
        return ()
    if isinstance(predicate, AllOf):
        return tuple(part for term in predicate.terms for part in conjuncts(term))
    return (predicate,)


def refuse_monsters(raw: Any) -> None:
    """Raise ValueError for a raw predicate that is nested too deeply or has too many terms, before anything recurses into it."""
    pending, terms, codes = [(raw, 1)], 0, 0
    while pending:
        node, depth = pending.pop()
        # MAX_DEPTH connectives and a comparison below them.
        if depth > MAX_DEPTH + 1:
            raise ValueError(f"the predicate nests AND, OR and NOT more than {MAX_DEPTH} deep")
        fields = node if isinstance(node, dict) else getattr(node, "__dict__", {})
        below = fields.get("terms")
        inner = list(below) if isinstance(below, list | tuple) else []
        if "term" in fields:
            inner.append(fields["term"])
        if not inner:
            terms += 1
            listed = fields.get("codes", fields.get("items"))
            codes += len(listed) if isinstance(listed, list | tuple) else 0
        if terms + len(pending) + len(inner) > MAX_TERMS * (MAX_DEPTH + 1) or terms > MAX_TERMS:
            raise ValueError(f"the predicate has more than {MAX_TERMS} comparisons")
        if codes > MAX_CODES:
            raise ValueError(f"the predicate lists more than {MAX_CODES} codes")
        pending.extend((child, depth + 1) for child in inner)
