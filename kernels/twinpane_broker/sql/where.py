"""WHERE as said, made into a predicate of the plan."""

import re
from datetime import date

from twinpane_broker.errors import Refused
from twinpane_broker.question.predicates import MAX_TERMS, AllOf, AnyOf, CodeValue, In, Missing, Not, Predicate, Range, Window

from .said import Among, Between, Compared, Condition, Either, Every, IsNull, IsTruth, Name, Negated
from .scope import Scope

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def predicate_of(said: Condition, scope: Scope) -> Predicate:
    """The predicate that a condition says; raises Refused for what a plan cannot say."""
    match said:
        case Every():
            return _conjoined([predicate_of(part, scope) for part in _flat(said)])
        case Either():
            return _disjoined([predicate_of(part, scope) for part in _flat(said)])
        case Negated():
            if _tests_truth(said.term):
                raise Refused("IS NOT TRUE and IS NOT FALSE also take what is missing: write column = false OR column IS NULL.")
            return Not(term=predicate_of(said.term, scope))
        case IsNull():
            return Missing(column=scope.column(said.column))
        case IsTruth():
            return In(column=scope.column(said.column), codes=(said.truth,))
        case Among():
            return In(column=scope.column(said.column), codes=said.codes)
        case Between():
            return _between(scope.column(said.column), said.low, said.high)
        case Compared():
            return _compared(said, scope)
        case Name():
            name = scope.column(said)
            raise Refused(f"{name} alone is not a condition: write {name} = true, or compare it with a code.")


def _flat(said: Every | Either) -> list[Condition]:
    """The terms of nested ANDs (or of nested ORs) as one list, whatever parentheses stood around them."""
    terms = [inner for term in said.terms for inner in (_flat(term) if type(term) is type(said) else [term])]
    # Two ends of a range become one comparison; far more than that cannot come down to a plan's.
    if len(terms) > 4 * MAX_TERMS:
        raise Refused(f"A plan has at most {MAX_TERMS} comparisons; a list of codes is one: column IN ('…', '…').")
    return terms


def _tests_truth(said: Condition) -> bool:
    if isinstance(said, Every | Either):
        return any(_tests_truth(term) for term in said.terms)
    return isinstance(said, IsTruth) or (isinstance(said, Negated) and _tests_truth(said.term))


def _compared(said: Compared, scope: Scope) -> Predicate:
    if isinstance(said.left, Name) and not isinstance(said.right, Name):
        op, name, value = said.op, said.left, said.right
    elif isinstance(said.right, Name) and not isinstance(said.left, Name):
        op, name, value = MIRRORED.get(said.op, said.op), said.right, said.left
    elif isinstance(said.left, Name):
        raise Refused("Two columns cannot be compared in WHERE: compare a column with a code, a number or a date.")
    else:
        raise Refused("A condition compares a column with a code, a number or a date.")
    column = scope.column(name)
    if op == "=":
        return In(column=column, codes=(value,))
    if op == "<>":
        return Not(term=In(column=column, codes=(value,)))
    upper = op in ("<", "<=")
    if (day := _day(value)) is not None:
        return Window(column=column, end=day, through=op == "<=") if upper else Window(column=column, start=day, after=op == ">")
    number = _number(column, value)
    return Range(column=column, high=number, through=op == "<=") if upper else Range(column=column, low=number, above=op == ">")


def _between(column: str, low: CodeValue, high: CodeValue) -> Predicate:
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


def _conjoined(terms: list[Predicate]) -> Predicate:
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


def _disjoined(terms: list[Predicate]) -> Predicate:
    return AnyOf(terms=tuple(terms))
