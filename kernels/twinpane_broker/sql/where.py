"""WHERE as said, made into a predicate of the plan."""

import re
from collections.abc import Callable
from datetime import date

from twinpane_broker.errors import Refused
from twinpane_broker.question.predicates import MAX_TERMS, AllOf, AnyOf, CodeValue, In, Missing, Not, Predicate, Range, Window

from .like_codes import like_instead
from .refusals import COLUMNS, CONCEPT, SUBQUERY
from .said import (
    MIRRORED,
    Aggregate,
    Among,
    Belongs,
    Between,
    Compared,
    Condition,
    Days,
    Either,
    Every,
    IsNull,
    IsTruth,
    Like,
    Name,
    Negated,
    Shifted,
    YearOf,
)
from .scope import Looked, OfMembers, Scope

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
YEARS = range(1800, 2200)
Lists = Callable[[Belongs], Predicate]
"""How a SELECT that lists concepts is read."""


def _no_lists(_said: Belongs) -> Predicate:
    raise Refused(SUBQUERY)


def predicate_of(said: Condition, scope: Scope, lists: Lists = _no_lists) -> Predicate:
    """The predicate that a condition says; raises Refused for what a plan cannot say."""
    match said:
        case Every():
            return conjoined([predicate_of(part, scope, lists) for part in flat(said)])
        case Either():
            return AnyOf(terms=tuple(predicate_of(part, scope, lists) for part in flat(said)))
        case Negated():
            if _tests_truth(said.term):
                raise Refused("IS NOT TRUE and IS NOT FALSE also take what is missing: write column = false OR column IS NULL.")
            return Not(term=predicate_of(said.term, scope, lists))
        case IsNull():
            return Missing(column=scope.column(said.column))
        case IsTruth():
            return In(column=scope.column(said.column), codes=(said.truth,))
        case Like():
            raise Refused(like_instead(said, scope))
        case Belongs():
            return lists(said)
        case Among():
            return _among(said, scope)
        case Between():
            return _between(said, scope)
        case Compared():
            return _compared(said, scope)
        case Name():
            name = scope.column(said)
            raise Refused(f"{name} alone is not a condition: write {name} = true, or compare it with a code.")


def flat(said: Every | Either) -> list[Condition]:
    """The terms of nested ANDs (or of nested ORs) as one list, whatever parentheses stood around them."""
    terms = [inner for term in said.terms for inner in (flat(term) if type(term) is type(said) else [term])]
    # Two ends of a range become one comparison; far more than that cannot come down to a plan's.
    if len(terms) > 4 * MAX_TERMS:
        raise Refused(f"A plan has at most {MAX_TERMS} comparisons; a list of codes is one: column IN ('…', '…').")
    return terms


def _tests_truth(said: Condition) -> bool:
    if isinstance(said, Every | Either):
        return any(_tests_truth(term) for term in said.terms)
    return isinstance(said, IsTruth) or (isinstance(said, Negated) and _tests_truth(said.term))


def _compared(said: Compared, scope: Scope) -> Predicate:
    op, name, value = said.op, said.left, said.right
    columns = Name | YearOf | Days | Aggregate
    if (isinstance(value, columns) and not isinstance(name, columns)) or isinstance(name, Shifted):
        op, name, value = MIRRORED.get(op, op), value, name
    if isinstance(value, Shifted):
        if not isinstance(name, Name) or not (scope.catalogue is None or scope.are_days(name, value.column, op)):
            raise Refused(COLUMNS)
        return _apart(scope.column(Days(since=value.column, until=name)), op, value.days)
    if isinstance(name, Aggregate) or isinstance(value, Aggregate):
        raise Refused("A measure is compared in HAVING, not in WHERE.")
    if isinstance(name, Name) and isinstance(value, Name) and scope.are_days(name, value, op):
        if scope.never_precedes(value, name):
            # Days of a stay are counted forwards: backwards there is but 0, and no end to name.
            op, name, value = MIRRORED.get(op, op), value, name
        name, value = Days(since=value, until=name), 0
    if isinstance(value, Name | YearOf | Days):
        raise Refused(COLUMNS)
    if isinstance(name, YearOf):
        return _years(scope.column(name.column), op, value)
    if isinstance(name, Days):
        return _apart(scope.column(name), op, value)
    if not isinstance(name, Name):
        raise Refused("A condition compares a column with a code, a number or a date.")
    if isinstance(target := scope.target(name), OfMembers) and target.column == target.of.kinds:
        return _apart(scope.column(name), op, value)
    if op in ("=", "<>"):
        told = _codes(name, (value,), scope)
        return told if op == "=" else Not(term=told)
    column = scope.column(name)
    if (day := _day(value)) is not None:
        upper = op in ("<", "<=")
        return Window(column=column, end=day, through=op == "<=") if upper else Window(column=column, start=day, after=op == ">")
    return _sized(column, op, _number(column, value))


def _sized(column: str, op: str, number: float) -> Range:
    """A comparison by size with a number."""
    if op in ("<", "<="):
        return Range(column=column, high=number, through=op == "<=")
    return Range(column=column, low=number, above=op == ">")


def _apart(column: str, op: str, value: CodeValue) -> Predicate:
    """A comparison of whole days or years between two dates."""
    number = _number(column, value)
    if op in ("=", "<>"):
        told = Range(column=column, low=number, high=number, through=True)
        return told if op == "=" else Not(term=told)
    return _sized(column, op, number)


def _codes(name: Name, codes: tuple[CodeValue, ...], scope: Scope) -> In:
    """One of these codes: of a column, or of the concepts that a vocabulary table tells of it."""
    target = scope.target(name)
    if not isinstance(target, Looked):
        return In(column=scope.column(name), codes=codes)
    column = target.of.column
    if column is None:
        raise Refused(CONCEPT)
    if target.of.name == "concept_ancestor" and target.column == "ancestor_concept_id":
        return In(column=column, codes=codes, descendants=True)
    if target.column in ("concept_id", "descendant_concept_id"):
        return In(column=column, codes=codes)
    meaning = scope.meaning(column)
    if target.column != "concept_name" or meaning is None:
        raise Refused(CONCEPT)
    named = {label: tuple(code.value for code in meaning.codes if code.label == label) for label in codes}
    if unknown := [label for label, found in named.items() if not found]:
        raise Refused(f"No approved code of {column} has the name {str(unknown[0])[:80]!r}: compare {column} with a code.")
    return In(column=column, codes=tuple(code for found in named.values() for code in found))


def _among(said: Among, scope: Scope) -> Predicate:
    if not isinstance(said.column, YearOf):
        return _codes(said.column, said.codes, scope)
    column = scope.column(said.column.column)
    terms = [_years(column, "=", year) for year in dict.fromkeys(said.codes)]
    return terms[0] if len(terms) == 1 else AnyOf(terms=tuple(terms))


def _years(column: str, op: str, value: CodeValue) -> Predicate:
    """A comparison of a day's year, as a window."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in YEARS:
        raise Refused(f"A year is compared with a whole number from {YEARS[0]} to {YEARS[-1]}.")
    first, after = date(value, 1, 1), date(value + 1, 1, 1)
    match op:
        case "<":
            return Window(column=column, end=first)
        case "<=":
            return Window(column=column, end=after)
        case ">":
            return Window(column=column, start=after)
        case ">=":
            return Window(column=column, start=first)
    told = Window(column=column, start=first, end=after)
    return told if op == "=" else Not(term=told)


def _between(said: Between, scope: Scope) -> Predicate:
    if isinstance(said.column, Aggregate):
        raise Refused("A measure is compared in HAVING, not in WHERE.")
    if isinstance(said.column, YearOf):
        column = scope.column(said.column.column)
        return conjoined([_years(column, ">=", said.low), _years(column, "<=", said.high)])
    column, low, high = scope.column(said.column), said.low, said.high
    start, end = _day(low), _day(high)
    if start is not None and end is not None:
        return Window(column=column, start=start, end=end, through=True)
    return Range(column=column, low=_number(column, low), high=_number(column, high), through=True)


def _number(column: str, value: CodeValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{column} is compared by size with something that is neither a number nor a date (written like '2020-01-31').")
    return float(value)


def _day(value: CodeValue) -> date | None:
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Refused(f"{value} is not a day of the calendar.") from None
    return None


def conjoined(terms: list[Predicate]) -> Predicate:
    """AND of terms, where ``x >= a AND x < b`` becomes one range: it is one comparison to the limits."""
    kept: list[Predicate] = []
    for term in terms:
        for place, one in enumerate(kept):
            if (joined := _joined_ends(one, term)) is not None:
                kept[place] = joined
                break
        else:
            kept.append(term)
    return kept[0] if len(kept) == 1 else AllOf(terms=tuple(kept))


def _joined_ends(one: Predicate, other: Predicate) -> Predicate | None:
    """One range of two that give one end each of the same column, else None."""
    for low, high in ((one, other), (other, one)):
        if isinstance(low, Range) and isinstance(high, Range) and low.column == high.column and low.high is None and high.low is None:
            return Range(column=low.column, low=low.low, high=high.high, above=low.above, through=high.through)
        if isinstance(low, Window) and isinstance(high, Window) and low.column == high.column and low.end is None and high.start is None:
            return Window(column=low.column, start=low.start, end=high.end, after=low.after, through=high.through)
    return None
