"""Single comparisons against the catalogue: approved codes, edges of measures, first days of months."""

import math
from datetime import date, timedelta
from itertools import pairwise

from twinpane_broker.catalogue.catalogue import Column, ColumnType, Role
from twinpane_broker.catalogue.edges import is_edge, nearest_edges
from twinpane_broker.catalogue.hints import did_you_mean
from twinpane_broker.question.predicates import MAX_CODES, CodeSet, CodeValue, ConceptSet, In, Leaf, Missing, Range, Window, code_order

from .day_counts import words
from .listed import not_allowed
from .vocabulary import Vocabulary, resolved

FILTERABLE = (Role.dimension, Role.measure, Role.date)


def settled(term: Leaf, column: Column, vocabulary: Vocabulary | None = None) -> Leaf:
    """The comparison with codes typed as the column's, code sets resolved to approved codes, and ends half-open.

    Raises Refused for what the catalogue does not allow.
    """
    if column.role not in FILTERABLE:
        raise not_allowed(f"{term.column} is a {column.role} column and cannot be compared; keys join tables, text stays in the notebook.")
    match term:
        case Missing():
            return term
        case In() | ConceptSet():
            return _codes(term, column, vocabulary)
        case Range():
            return _range(term, column)
        case Window():
            return _window(term, column)


def _codes(term: In | ConceptSet, column: Column, vocabulary: Vocabulary | None) -> In:
    if column.role is Role.measure:
        raise not_allowed(f"{term.column} is a measure: compare it with a range, like {term.column} >= {_number(column.known_bounds[0])}.")
    if column.role is Role.date:
        raise not_allowed(f"{term.column} is a date: write a window, {term.column} >= '2019-01-01' AND {term.column} < '2020-01-01'.")
    if isinstance(term, ConceptSet) or term.descendants:
        return resolved(term, column, vocabulary)
    approved = {code_order(code.value): code.value for code in column.codes}
    codes = []
    for code in term.codes:
        if code_order(code) not in approved:
            raise not_allowed(f"{_shown(code)} is not an approved code of {term.column}.{_code_hint(code, column)}")
        codes.append(approved[code_order(code)])
    return In(column=term.column, codes=tuple(codes))


def _code_hint(code: CodeValue, column: Column) -> str:
    for known in column.codes:
        same_label = known.label and known.label.casefold() == str(code).casefold()
        if same_label or str(known.value).casefold() == str(code).casefold():
            return f" Write {_shown(known.value)}{f' ({known.label})' if known.label else ''}."
    return did_you_mean(str(code), [_shown(known.value) for known in column.codes])


def _range(term: Range, column: Column) -> Range | In:
    if column.role is Role.date:
        raise not_allowed(f"{term.column} is a date: compare it with dates in quotes, like {term.column} >= '2019-01-01'.")
    if column.role is Role.dimension:
        numbers = [code.value for code in column.codes if isinstance(code.value, int | float) and not isinstance(code.value, bool)]
        inside = tuple(number for number in numbers if _within(term, number))
        if not numbers:
            raise not_allowed(f"{term.column} has codes, not numbers: compare it with IN (…).")
        if not inside:
            raise not_allowed(f"No approved code of {term.column} lies in that range.{did_you_mean('', [_shown(n) for n in numbers])}")
        if column.type is ColumnType.integer and column.unlisted > 0:
            # Numbers that are too rare to be approved lie in the range as well.
            return CodeSet.model_construct(column=term.column, codes=tuple(sorted({*inside, *_rare(term, column, numbers)})))
        return In(column=term.column, codes=inside)
    low, high = term.low, term.high
    if column.type is ColumnType.integer:
        # x > 39 is x >= 40 for whole numbers, and x <= 64 is x < 65: one half-open form for one set of rows.
        low = low + 1 if low is not None and term.above and low == int(low) else low
        high = high + 1 if high is not None and term.through and high == int(high) else high
    elif term.above or term.through:
        ends = [end for end, asked in ((low, term.above), (high, term.through)) if asked and end is not None]
        raise not_allowed(f"Ranges of {term.column} go from and below: write >= or < with {_number(ends[0])}, not > or <= (nor BETWEEN).")
    for end, asked in ((low, term.low), (high, term.high)):
        if end is not None and asked is not None and not is_edge(column, end):
            raise not_allowed(_no_edge(words(term.column, column), column, end, asked))
    if low is not None and high is not None and low >= high:
        raise not_allowed(f"The range of {term.column} is empty.")
    return Range(column=term.column, low=low, high=high)


def _no_edge(name: str, column: Column, end: float, asked: float) -> str:
    """What to write instead of an end: in the words of the question, where ``<= 64`` is the edge 65, and ``> 64`` too."""
    near = " or ".join(_number(edge - (end - asked)) for edge in nearest_edges(column, end))
    low, high = column.known_bounds
    if not low <= end <= high:
        bound = low if end < low else high
        beyond = f"Values beyond {_number(bound)} count as {_number(bound)}: to take them in, leave that end out."
        return f"{_number(asked)} is not an edge at which {name} may be cut; the nearest is {near}. {beyond}"
    return (
        f"{_number(asked)} is not an edge at which {name} may be cut; the nearest is {near}. "
        "(Ranges count from the low end, below the high end; ages 40 to 64 are >= 40 AND < 65.)"
    )


def _rare(term: Range, column: Column, numbers: list[int | float]) -> list[int]:
    """The whole numbers of a range that are too rare to be approved.

    They come with all their neighbours up to the approved numbers around them: a range that could cut between two rare ones would home in
    on their few persons. So such a range is refused. Beyond the outermost approved numbers, one span of them further is looked at.
    """
    approved = sorted(int(number) for number in numbers)
    span = min(approved[-1] - approved[0] + 1, MAX_CODES)
    ends = [approved[0] - span - 1, *approved, approved[-1] + span + 1]
    least, most = column.bounds or (math.inf, -math.inf)
    found: list[int] = []
    for low, high in pairwise(ends):
        gap = range(max(low + 1, 0), min(high, low + MAX_CODES))
        inside = [number for number in gap if _within(term, number)]
        # Whoever asks for all numbers up to a bound asks for those beyond it as well.
        all_above = low == approved[-1] and term.high is not None and term.high >= most
        all_below = high == approved[0] and term.low is not None and term.low <= least
        if inside and len(inside) < len(gap) and not all_above and not all_below:
            near = " or ".join(_number(number) for number in (low, high) if number in approved)
            raise not_allowed(f"A range of {term.column} goes from one approved code to another; the nearest is {near}.")
        found += gap if inside else ()
    return found


def _within(term: Range, number: float) -> bool:
    low = term.low is None or number > term.low or (number == term.low and not term.above)
    return low and (term.high is None or number < term.high or (number == term.high and term.through))


def _window(term: Window, column: Column) -> Window:
    if column.role is not Role.date:
        raise not_allowed(f"{term.column} is a {column.role}, not a date: compare it with codes or numbers.")
    start, end = term.start, term.end
    if (term.after or term.through) and column.type is not ColumnType.date:
        raise not_allowed(f"Windows of {term.column} go from and before: write >= or <, not > or <= (nor BETWEEN).")
    for day, cut, word in ((start, "first", ">=" if not term.after else ">"), (end, "last", "<=" if term.through else "<")):
        _month_edge(term.column, day, cut, word)
    start = start + timedelta(days=1) if start is not None and term.after else start
    end = end + timedelta(days=1) if end is not None and term.through else end
    if start is not None and end is not None and start >= end:
        raise not_allowed(f"The window of {term.column} is empty.")
    return Window(column=term.column, start=start, end=end)


def _month_edge(column: str, day: date | None, end: str, word: str) -> None:
    """Raise Refused for an end that does not lie between two months. The message names the day as it was asked for."""
    if day is None:
        return
    first, last = day.replace(day=1), (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    inside = word in (">=", "<")
    if day == (first if inside else last):
        return
    instead = f"{column} >= '{first}'" if end == "first" else f"{column} < '{first}' or {column} <= '{last}'"
    raise not_allowed(f"Windows of {column} begin and end with months, and {word} '{day}' cuts one: write {instead}.")


def _shown(code: CodeValue | date) -> str:
    return f"'{code[:80]}'" if isinstance(code, str) else str(code).lower() if isinstance(code, bool) else str(code)


def _number(value: float) -> str:
    return f"{value:.12g}"
