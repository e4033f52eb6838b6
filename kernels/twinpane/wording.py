"""Released numbers, headings and captions in words. What is suppressed is said in a word, never by colour alone."""

from typing import TYPE_CHECKING

from twinpane_broker import MEAN_DIGITS, SPREAD_DIGITS, Pooled, PooledRow, ReleasedColumn, Value, in_words, thresholds

if TYPE_CHECKING:
    from .results import Table

SUPPRESSED = "suppressed"
PARTLY = "*"
"""After a pooled number that lacks a site's part."""
WITHIN = "†"
"""After a pooled number that knows the spread within the sites only."""
SEE_SITES = "see sites"
"""In place of a pooled number of a kind that cannot be pooled."""
NOT_THERE = "–"
"""A site without that category."""
ROWS = 200
"""Rows shown; ``frame()`` has them all."""

COUNTS = ("count", "persons")
SHORT = {"count": "rows", "persons": "persons", "share": "share of persons"}


def number(value: int | float | None, kind: str) -> str:
    """``1,230`` for counts, ``12.3 %``, ``6.80`` with the digits that are released for means, ``suppressed`` for None."""
    if value is None:
        return SUPPRESSED
    if kind in COUNTS:
        return f"{int(value):,}"
    if kind == "share":
        return f"{value:.1f} %"
    if kind == "quantile" or value == 0:
        return f"{value:,.12g}"
    exponent = int(f"{value:e}".partition("e")[2])
    digits = SPREAD_DIGITS if kind in ("sd", "var", "correlation") else MEAN_DIGITS
    shown = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    return shown if -5 < exponent < 12 and float(shown.replace(",", "")) == value else f"{value:,.12g}"


def part(cells: Pooled, row: PooledRow, place: int, site: str) -> str:
    """One site's number of a measure; a dash where the site has no such category."""
    own = row.sites[site]
    return NOT_THERE if own is None else number(own.values[place].value, measures(cells)[place].kind)


def total(cells: Pooled, row: PooledRow, place: int) -> str:
    """The pooled number, marked where the part of a site of this table is missing from it."""
    value = row.values[place]
    if value.how == "see the sites" and any(not held(row, place, site) for site in cells.released):
        return SEE_SITES
    shown = number(value.value, measures(cells)[place].kind)
    if value.value is None:
        return shown
    return shown + (WITHIN if value.how == "within the sites" else "") + (PARTLY if _lacking(cells, row, place) else "")


def held(row: PooledRow, place: int, site: str) -> bool:
    """Whether a site has released no number here."""
    own = row.sites[site]
    return own is None or own.values[place].suppressed


def _lacking(cells: Pooled, row: PooledRow, place: int) -> bool:
    return any(site in cells.released for site in row.values[place].without)


def basis(value: Value | None) -> str:
    """Over how many values a site's number is: ``1,230``, empty where that is not told."""
    return "" if value is None or value.n is None else f"{value.n:,}"


def measures(cells: Pooled) -> list[ReleasedColumn]:
    """Columns of numbers."""
    return [column for column in cells.columns if column.is_measure]


def dimensions(cells: Pooled) -> list[ReleasedColumn]:
    """Columns of categories."""
    return [column for column in cells.columns if not column.is_measure]


def heading(column: ReleasedColumn) -> str:
    """A column's name, with its unit."""
    return column.name + (f" ({column.unit})" if column.unit else "")


def axis_label(column: ReleasedColumn) -> str:
    """What stands along an axis: the column's label or name, with its unit."""
    name = column.label or SHORT.get(column.kind, column.name)
    if column.kind == "share":
        return f"{name} (%)"
    return f"{name} ({column.unit})" if column.unit else name


def named_unit(cells: Pooled) -> str:
    """`` years``: the unit of the last dimension, after a space; empty where it has none."""
    last = dimensions(cells)[-1:]
    return f" {last[0].unit}" if last and last[0].unit else ""


def rules(table: "Table") -> list[tuple[str, str, list[str]]]:
    """Sites by the rules they applied: the sites, the rules' version, the rules in words."""
    by_rules: dict[tuple[str, ...], list[str]] = {}
    for site, release in table.releases.items():
        by_rules.setdefault((release.policy, *map(in_words, release.rules)), []).append(table.title(site))
    return [
        (joined(sites), policy, [rule[:1].lower() + rule[1:].rstrip(".") for rule in applied])
        for (policy, *applied), sites in by_rules.items()
    ]


def why_suppressed(table: "Table") -> str:
    """Why a number can be missing, in one clause: the sites' rules give the number of persons."""
    fewest = {number for release in table.releases.values() for number in thresholds(release.rules)}
    few = f"fewer than {' or '.join(str(n) for n in sorted(fewest))} persons" if fewest else "too few persons"
    return f"{few}, or could be worked out from other answers"


def captions(table: "Table", short: bool = False) -> list[str]:
    """Which rules were applied where, what is partly missing, and which sites are missing and why.

    When ``short``, of the rules the first alone, and that where nothing is suppressed: the rest is folded away elsewhere.
    """
    cells, lines = table.cells, []
    places = range(len(measures(cells)))
    lost = any(own is not None and own.values[i].suppressed for row in cells.rows for own in row.sites.values() for i in places)
    for sites, policy, applied in rules(table):
        told = applied if not short else [] if lost else applied[:1]
        named = f"rules {policy.partition('/')[0]}" if short else policy
        lines.append(f"Released by {sites} under {named}{': ' if told else ''}{'; '.join(told)}.")
    if lost:
        lines.append(f"{SUPPRESSED}: {why_suppressed(table)}.")
    if len(cells.released) > 1:
        shown = {total(cells, row, i) for row in cells.rows for i in places}
        if any(text.endswith(PARTLY) for text in shown):
            lines.append(f"{PARTLY} without the part of a site that suppressed it or has no such category.")
        if any(WITHIN in text for text in shown):
            lines.append(f"{WITHIN} within the sites: differences between the sites' means are not in it.")
        if any(column.kind == "quantile" for column in measures(cells)):
            lines.append("Quantiles are per site: they cannot be pooled; a histogram can.")
    absent = [f"{table.title(site)} ({why})" for site, why in table.missing.items()]
    absent += [f"{table.title(site)} ({refusal.reason.rstrip('.')})" for site, refusal in table.refusals.items()]
    if absent:
        lines.append(f"Not in this table: {'; '.join(absent)}.")
    if len(cells.rows) > ROWS:
        lines.append(f"{len(cells.rows):,} rows, the first {ROWS} shown; .frame() has them all.")
    return lines


def joined(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
