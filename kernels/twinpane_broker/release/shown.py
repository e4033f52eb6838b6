"""A released number as people read it, the same wherever it is shown."""

from collections.abc import Iterable

from twinpane_broker.aggregates.aggregate import Shown
from twinpane_broker.aggregates.registry import AGGREGATES, MeasureKind
from twinpane_broker.aggregates.true_span import Ends, around, is_much, share_around
from twinpane_broker.aggregates.value import Value
from twinpane_broker.rules.rounding import outward, place_of

from .applied_rules import AppliedRule, thresholds
from .release import LeftOut, ReleasedColumn

LITTLE = 0.05
"""A number is said to be off by some rows where these are so large a share of it."""
ABOUT = "≈"
"""Marks a number that is *about*: that of another group, released before, or one made from it."""


def shown_number(value: int | float, column: ReleasedColumn, decimals: int | None = None) -> str:
    """``1,230`` for counts, ``12.3 %``, ``42.50`` with the decimals or digits that are released for means.

    ``decimals``: to how many it is known, where that is said (``ReleasedColumn.decimals_of``).
    """
    aggregate = AGGREGATES[MeasureKind(column.kind)]
    if aggregate.shown is Shown.count:
        return f"{int(value):,}"
    if aggregate.shown is Shown.percent:
        return f"{value:.{1 if decimals is None else max(0, decimals)}f} %"
    if column.decimals is not None and decimals is not None:
        return f"{value:,.{max(0, decimals)}f}"
    if aggregate.shown is Shown.whole or aggregate.digits is None or value == 0:
        return f"{value:,.12g}"
    exponent, digits = int(f"{value:e}".partition("e")[2]), aggregate.digits
    shown = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    return shown if -5 < exponent < 12 and float(shown.replace(",", "")) == value else f"{value:,.12g}"


def value_shown(value: Value, column: ReleasedColumn, off: int) -> str:
    """A number that is not suppressed, with what is said of it: ``≈ 110 (69–151)``, ``365 or more``, ``326 (15–25 % clipped)``.

    ``off``: by how many persons a number of this site may be off that is about (``about_off``).
    """
    said = _said(value, column, off)
    end = f" {said.pop(0)}" if value.end is not None else ""
    return (
        marked(shown_number(value.value or 0, column, column.decimals_of(value)), value.about)
        + end
        + (f" ({', '.join(said)})" if said else "")
    )


def value_note(value: Value, column: ReleasedColumn, off: int) -> str:
    """What is said of a number beside it, without the mark of *about*: ``or more``, ``63–187``, ``15–25 % clipped``; empty for most."""
    return ", ".join(_said(value, column, off))


def persons_shown(persons: int, about: bool, ends: Ends) -> str:
    """A number of persons, ``≈ 110 (69–151)`` where it is about and may be off by much: between which numbers it lies."""
    return marked(f"{persons:,}", about) + (f" ({span(ends)})" if about and is_much(persons, ends) else "")


def _said(value: Value, column: ReleasedColumn, off: int) -> list[str]:
    kind = MeasureKind(column.kind)
    within = within_of(value, kind, off)
    parts = (str(value.end) if value.end is not None else "", span(within, kind) if within else "", clipped_words(value))
    return [part for part in parts if part]


def span(ends: Ends, kind: MeasureKind = MeasureKind.count) -> str:
    """``63–187``; of a share ``5–30 %``."""
    low, high = ends
    return f"{low:,.12g}–{high:,.12g}{' %' if kind is MeasureKind.share else ''}"


def clipped_words(value: Value) -> str:
    """``15–25 % clipped``, ``5 % or more clipped``; empty where nothing is said."""
    if value.clipped is None:
        return ""
    low, high = value.clipped
    return f"{low} % or more clipped" if high == 100 else f"{low}–{high} % clipped"


def within_of(value: Value, kind: MeasureKind, off: int) -> Ends | None:
    """Between which numbers a number truly lies, where it may be off by much; None where that is little of it.

    So may a number of rows, or a sum, where rows are rounded coarsely; and what is about, by so many persons ``off``.
    """
    if value.value is not None and (by := off_of(value, kind, off)):
        share = kind is MeasureKind.share
        ends = share_around(value.n or 0, value.of or 0, by, by) if share else around(value.value, by)
        return ends if is_much(value.value, ends) else None
    if value.value is None or not _is_coarse(value, value.value if kind is MeasureKind.count else value.n):
        return None
    low, high = value.within or (0, 0)
    if kind is MeasureKind.count:
        return low, high
    if kind is not MeasureKind.sum or not value.n:
        return None
    ends = value.value * low / value.n, value.value * high / value.n
    # The sum is rounded too (``Sum.from_mean``), to a place that is this or a finer one: the number of values is what it is least sure of.
    place = place_of(1.5 * max(abs(end - value.value) for end in ends))
    return outward(min(ends) - place / 2, max(ends) + place / 2, 2)


def off_of(value: Value, kind: MeasureKind, off: int) -> int:
    """By how many persons a number may be off that is about, if so many are the most; 0 where it is not, or says itself how far it is."""
    return off if value.about and value.within is None and AGGREGATES[kind].shown in (Shown.count, Shown.percent) else 0


def basis_shown(value: Value) -> str:
    """How many values a number is computed over, ``1,230``, or where that is coarse ``63–187``; empty where it is not said."""
    if value.n is None:
        return ""
    return span(value.within) if value.within and _is_coarse(value, value.n) else f"{value.n:,}"


def _is_coarse(value: Value, count: float | None) -> bool:
    if value.within is None or not count:
        return False
    return max(value.within[1] - count, count - value.within[0]) >= LITTLE * count


def bounds_means(columns: Iterable[ReleasedColumn]) -> str:
    """The bounds of the columns that are computed from values, as a clause; empty where there are none."""
    told: dict[str, list[str]] = {}
    for column in columns:
        if column.bounds is not None:
            low, high = column.bounds
            unit = f" {column.unit}" if column.unit and column.kind != "var" else ""
            told.setdefault(f"{low:,.12g} to {high:,.12g}{unit}", []).append(column.name)
    parts = [f"{', '.join(names)} {bounds}" for bounds, names in told.items()]
    return f"values beyond the bounds count as lying on them: {'; '.join(parts)}" if parts else ""


def grids_mean(columns: Iterable[ReleasedColumn]) -> str:
    """How coarse the grids of quantiles are, as a clause; empty where all are as fine as the values."""
    told: dict[str, list[str]] = {}
    for column in columns:
        if column.steps is not None:
            steps = " to ".join(dict.fromkeys(f"{step:,.12g}" for step in column.steps))
            told.setdefault(f"{steps} {column.unit}".rstrip(), []).append(column.name)
    parts = [f"{', '.join(names)} in steps of {steps}" for steps, names in told.items()]
    return f"quantiles are the nearest edges of a grid: {'; '.join(parts)}" if parts else ""


def marked(shown: str, about: bool) -> str:
    """``≈ 110`` for a number that is about; as it is otherwise."""
    return f"{ABOUT} {shown}" if about else shown


def about_means(rules: Iterable[AppliedRule | str]) -> str:
    """What the mark means, without a full stop; how near the numbers are follows from the largest threshold of the rules."""
    # How near a set must be to get another's number is drawn (``Broker``): by fewer persons than twice the threshold, on either side.
    found = max(thresholds(tuple(rules)), default=0)
    few = (
        f"fewer than {2 * found} persons ({4 * found} or more where it was added up, or others stand between)" if found else "a few persons"
    )
    return (
        f"{ABOUT} about: do not subtract it from other numbers. It is the number of a near group, or of the same one; before rounding, "
        f"they differ by {few}"
    )


def about_off(rules: Iterable[AppliedRule | str]) -> int:
    """By how many persons a number that is about may be off at most, by the rules: as ``about_means`` says, and rounding besides."""
    stated = [rule for rule in rules if isinstance(rule, AppliedRule)]
    base = max((int(rule.numbers.get("base", 1)) for rule in stated if rule.code == "rounding"), default=1)
    noise = max((int(rule.numbers.get("bound", 0)) for rule in stated if rule.code == "cell_key"), default=0)
    return max(0, 4 * max(thresholds(tuple(stated)), default=0) - 1) + base - 1 + noise


def suppressed_means(rules: Iterable[AppliedRule | str], columns: Iterable[ReleasedColumn]) -> str:
    """What to do about suppressed numbers of these columns, and why they are, without a full stop; how many persons the rules say."""
    # One text for all reasons: which it was may tell what is suppressed. Which kinds of numbers are asked for, everybody knows.
    few = " or ".join(str(number) for number in sorted(thresholds(tuple(rules))))
    least = f"fewer than {few} persons" if few else "too few persons"
    why = f"The number is of {least}, or would tell of so few, or of nearly all of a group"
    if not any(AGGREGATES[MeasureKind(column.kind)].of_rows for column in columns):
        return f"ask for fewer, larger groups. {why}"
    return (
        f"ask for fewer, larger groups, or take an earlier answer. {why}; or, of rows and values, however large the group is: one of its "
        "kind was told before of this group or a near one, in other words, too few or too many have a value, or one person would show in it"
    )


def left_out_means(left: LeftOut) -> str:
    """What LIMIT and HAVING left out, in words."""
    rows = f"{left.rows:,} {'row is' if left.rows == 1 else 'rows are'} left out by LIMIT or HAVING"
    if not left.suppressed:
        return rows
    few = f"{left.suppressed:,} of them {'has' if left.suppressed == 1 else 'have'}"
    return f"{rows}; {few} suppressed numbers, which come last and meet no HAVING, whatever they are"
