"""From evidence to a drafted column: which role it gets, and what of the evidence may be published."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from twinpane_broker import DAY_BOUNDS, Code, Column, ColumnType, Role, grid_of

from . import names, rounding
from .cut_points import single_years
from .evidence import Codes, Evidence, Numbers, Presence
from .source import SourceTable

TEXT_CODES = 200
"""A text column with more codes than this is hidden."""
NUMBER_CODES = 20
"""A number column with at most this many values is a dimension, else a measure."""
TEXT_COVERED = 0.5
NUMBER_COVERED = 0.9
"""The share of rows that the listed codes must make up; below it a text is free text and a number is a measure."""
ALONE = 0.9
"""Whole numbers of which this share belongs to one person only are an identifier, whatever its name."""
ROUTINE = 0.2
"""The least share of persons with a test that is routine: it was done for this many, so that it says little of each."""
_TOO_MANY = 50
OF_MEASURES = ("few_missing", "bounds", "precision", "edges", "knots")
"""What a dimension that is a measure too has of one."""
DATES = (ColumnType.date, ColumnType.timestamp)
NUMBERS = (ColumnType.integer, ColumnType.double)


class DraftRules(Protocol):
    """What a draft needs of the site's disclosure rules."""

    @property
    def threshold(self) -> int:
        """The least number of persons behind anything published."""

    @property
    def base(self) -> int:
        """Counts are rounded to multiples of it."""


@dataclass(frozen=True)
class Context:
    """What judging a column needs to know beside its evidence."""

    table: SourceTable
    person_key: str
    population: str
    keys: Collection[tuple[str, str]]
    threshold: int
    base: int
    persons: int
    """All whose rows are looked at, with or without one in this table."""


def draft_columns(context: Context, evidence: Evidence) -> tuple[list[Column], list[str]]:
    """The table's columns in their order, and notes for the steward. Columns of types that are not supported are left out."""
    kinds = {name: kind for name, kind in context.table.columns.items() if kind is not None}
    notes = [
        f"{context.table.name}.{name}: left out, as its type or name is not supported"
        for name, kind in context.table.columns.items()
        if kind is None
    ]
    presence = evidence.presence(list(kinds))
    measured = _measured(context, evidence, kinds, presence)
    columns = []
    for name, kind in kinds.items():
        column, note = _draft_column(context, measured, name, kind, presence[name])
        columns.append(column)
        if note:
            notes.append(f"{context.table.name}.{name}: {note}")
        if column.role is not Role.hidden and 0 < presence[name].without < context.threshold:
            notes.append(
                f"{context.table.name}.{name}: a few values are missing and that is not published; "
                "an integer column of that kind has another type in the twin"
            )
    return columns, notes


@dataclass(frozen=True)
class _Measured:
    """The evidence of columns that their names and types leave open: what their codes are, their numbers, and how unique these are."""

    codes: Mapping[str, Codes]
    numbers: Mapping[str, Numbers]
    alone: Mapping[str, float]


def _measured(context: Context, evidence: Evidence, kinds: Mapping[str, ColumnType], presence: Mapping[str, Presence]) -> _Measured:
    """All that drafting may need, measured for many columns at once."""
    plain = [
        name for name in kinds
        if name != context.person_key and not names.identifying(name) and not names.looks_like_key(name)
        and presence[name].filled >= context.threshold
    ]  # fmt: skip
    coded = [name for name in plain if kinds[name] not in DATES]
    distinct = evidence.about_distinct(coded)
    codes = evidence.codes([name for name in coded if distinct[name] <= _TOO_MANY * _limits(name, kinds[name])[0]])
    numbers = evidence.numbers([name for name in plain if kinds[name] in (*DATES, *NUMBERS) and not names.concept(name)])
    whole = [name for name, found in numbers.items() if kinds[name] in NUMBERS and found.decimals == 0]
    return _Measured(codes, numbers, evidence.alone(whole))


def _draft_column(context: Context, measured: _Measured, name: str, kind: ColumnType, presence: Presence) -> tuple[Column, str | None]:
    table, threshold = context.table.name, context.threshold

    def hidden(why: str) -> tuple[Column, str]:
        return Column(name=name, type=kind, role=Role.hidden), f"hidden, {why}"

    missing = rounding.missing(presence.missing, presence.without, presence.persons, threshold, context.base)
    if name == context.person_key:
        home = None if table == context.population else f"{context.population}.{context.person_key}"
        return Column(name=name, type=kind, role=Role.key, references=home), None
    if names.identifying(name):
        return hidden("as its name is that of an identifier")
    if names.looks_like_key(name):
        joins = names.reference(table, name, context.keys)
        if joins is None and (table, name) not in context.keys:
            return hidden("as it is an identifier that joins to no table here")
        if presence.filled < threshold:
            return hidden("as too few persons have a value")
        return Column(name=name, type=kind, role=Role.key, references=joins, missing=missing), None
    if presence.filled < threshold:
        return hidden("as too few persons have a value")
    numbers = measured.numbers.get(name)
    if kind in DATES:
        if numbers is None:
            return hidden(f"as quantiles of a date need {10 * threshold} persons")
        days = rounding.months(numbers.quantiles, numbers.persons)
        return Column(name=name, type=kind, role=Role.date, missing=missing, few_missing=not missing, days=days), None
    most, covered = _limits(name, kind)
    codes = measured.codes.get(name)
    if codes is not None and 1 <= len(codes.listed) <= most and codes.covered >= covered:
        found = dimension(name, kind, missing, codes, context)
        # The mean of two values is the share of one, which class disclosure judges as a code.
        if kind not in NUMBERS or len(found.codes) <= 2 or names.numbering(name):
            return found, None
        if numbers is None:
            return by_codes(found), None
        both = measure(name, kind, missing, numbers)
        return found.model_copy(update={part: getattr(both, part) for part in OF_MEASURES}), None
    if kind is ColumnType.varchar:
        return hidden("as it is an identifier or free text")
    if kind is ColumnType.boolean:
        return hidden("as too few persons hold either value")
    if names.concept(name):
        return hidden("as it has no code that enough persons hold")
    if names.numbering(name):
        return hidden("as its name is that of numbers that identify, and they are too many to be codes")
    if numbers is None:
        return hidden(f"as a measure's bounds need {10 * threshold} persons")
    if numbers.decimals == 0 and measured.alone[name] >= ALONE:
        return hidden("as its whole numbers are nearly unique per person, as those of an identifier are")
    made = measure(name, kind, missing, numbers)
    if codes is not None and names.in_single_years(name):
        made = made.model_copy(update={"cuts": single_years((code.value for code in codes.listed), grid_of(made))})
    if made.bounds is None or not rounding.astray(numbers.low, numbers.high, numbers.quantiles):
        return made, None
    low, high = made.bounds
    return made, (
        f"bounded at {low:,.12g} and {high:,.12g} by a few values far from all others; if they are mistakes, narrow `bounds` in "
        "catalogue.toml: values beyond count as lying on them"
    )


def _limits(name: str, kind: ColumnType) -> tuple[float, float]:
    """The most codes of a dimension, and the least share of rows that the listed ones make up. Any number of concepts are codes."""
    if names.concept(name):
        return math.inf, 0.0
    if kind in (ColumnType.varchar, ColumnType.boolean):
        return TEXT_CODES, TEXT_COVERED
    return NUMBER_CODES, NUMBER_COVERED


def dimension(name: str, kind: ColumnType, missing: float, codes: Codes, context: Context) -> Column:
    """A dimension with the codes that enough persons hold, and what share of rows holds others."""
    tested = context.persons if names.of_tests(name) else 0
    listed, sensitive = listed_codes(codes, context.base, context.threshold, tested), names.sensitive(name)
    others = 0.0
    if codes.rest >= context.threshold:
        others = max(rounding.share(codes.persons - sum(c.weight for c in codes.listed), codes.persons, context.base), 0.001)
    return Column(name=name, type=kind, role=Role.dimension, missing=missing, sensitive=sensitive, codes=listed, others=others)


def listed_codes(codes: Codes, base: int, threshold: int, tested: int = 0) -> tuple[Code, ...]:
    """The codes with rounded shares. If fewer persons than the threshold hold other codes, the shares do not tell of these.

    If the codes are of tests, those that many of the ``tested`` persons have are routine.
    """
    whole = codes.persons if codes.rest >= threshold else sum(c.weight for c in codes.listed)
    return tuple(
        Code(value=c.value, share=rounding.share(c.weight, whole, base), routine=rounding.share(c.persons, tested, base) >= ROUTINE)
        for c in codes.listed
    )


def measure(name: str, kind: ColumnType, missing: float, numbers: Numbers) -> Column:
    """A measure with bounds, precision and knots, all rounded."""
    precision = rounding.precision(numbers.decimals, numbers.high - numbers.low)
    low, high = rounding.outward(*rounding.reaching(numbers.low, numbers.high, numbers.quantiles, numbers.outer), precision)
    return Column(
        name=name,
        type=kind,
        role=Role.measure,
        missing=missing,
        few_missing=not missing,
        sensitive=names.sensitive(name),
        precision=precision,
        bounds=(low, high),
        edges=tuple(float(age) for age in range(5, 100, 5) if low < age < high) if names.age_in_years(name) else (),
        knots=rounding.knots(numbers.quantiles, numbers.persons, precision),
    )


def by_codes(column: Column) -> Column:
    """A dimension of numbers that is a measure too, of too few persons for quantiles: bounded by its codes, which all may know."""
    values = [float(code.value) for code in column.codes if isinstance(code.value, int | float)]
    low, high = min(values), max(values)
    decimals = 0 if column.type is ColumnType.integer else max(len(f"{value:.12g}".partition(".")[2]) for value in values)
    precision = rounding.precision(decimals, high - low)
    return column.model_copy(update={"bounds": rounding.outward(low, high, precision), "precision": precision})


def rows_per_person(counts: dict[int, int], persons: int, threshold: int, base: int) -> tuple[float, ...]:
    """Shares, in steps of 0.01, of persons with 0, 1, 2, … rows. A number with too few persons counts as the next smaller one."""
    rows = [max(persons - sum(counts.values()), 0), *(counts.get(n, 0) for n in range(1, max(counts, default=0) + 1))]
    for n in range(len(rows) - 1, 1, -1):
        if rows[n] < threshold:
            rows[n - 1], rows[n] = rows[n - 1] + rows[n], 0
    shares = [rounding.hundredths(n, sum(rows), base) if n >= threshold else 0.0 for n in rows]
    while len(shares) > 2 and shares[-1] == 0.0:
        shares.pop()
    return tuple(shares) if any(shares[1:]) else (0.99, 0.01)


def date_order(columns: Sequence[Column], evidence: Evidence, threshold: int) -> list[Column]:
    """The columns; each end that never comes before its start, except for fewer persons than the threshold, says how long after."""
    dates = [c.name for c in columns if c.role is Role.date]
    ordered = []
    for column in columns:
        start = names.ends_after(column.name, dates) if column.role is Role.date else None
        follows = start is not None and evidence.turned(start, column.name) < threshold
        told = {"after": start, "longest": evidence.longest(start, column.name, DAY_BOUNDS)} if start is not None and follows else {}
        ordered.append(column.model_copy(update=told))
    return ordered
