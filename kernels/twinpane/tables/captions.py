"""The captions below a table: which rules were applied, why numbers are missing, which sites are missing and why."""

from collections.abc import Callable, Iterable

from twinpane.joined import joined
from twinpane_broker import (
    AT_FIRST,
    ReleasedColumn,
    about_means,
    bounds_means,
    cost_words,
    grids_mean,
    in_few_words,
    in_words,
    left_out_means,
    suppressed_means,
)

from .about_numbers import about_words
from .table import Table
from .wording import CLIPPED, ROWS, SEE_SITES, SUPPRESSED, WITHIN, WITHIN_MEANS, measures, suppressed, total, why_partly


def rules(table: Table) -> list[tuple[str, str, list[str]]]:
    """Groups of sites that applied the same rules: the sites, the rules' version, the rules in words."""
    by_rules: dict[tuple[str, ...], list[str]] = {}
    for site, release in table.releases.items():
        by_rules.setdefault((release.policy, *map(in_words, release.rules)), []).append(table.title(site))
    return [
        (joined(sites), policy, [rule[:1].lower() + rule[1:].rstrip(".") for rule in applied])
        for (policy, *applied), sites in by_rules.items()
    ]


def costs(table: Table) -> list[tuple[str, str]]:
    """What the answer used of the sites' accounts, of each site where it used anything."""
    told = {site: cost_words(release.account) for site, release in table.releases.items()}
    return [(site, f"{AT_FIRST}, {used}") for site, used in told.items() if used]


def why_suppressed(table: Table) -> str:
    """What to do about suppressed numbers, and why they are, by the sites' rules."""
    cells = table.cells
    lost = {place for place in range(len(measures(cells))) if any(suppressed(row, place, site) for row in cells.rows for site in row.sites)}
    columns = [measures(cells)[place] for place in lost]
    return suppressed_means((rule for release in table.releases.values() for rule in release.rules), columns)


def why_about(table: Table) -> str:
    """What the mark of a number that is about means, and where there are several sites, of a pooled one, in words."""
    pooled = ". A pooled number is about if a part of it is" if len(table.releases) > 1 else ""
    return about_means(rule for release in table.releases.values() for rule in release.rules) + pooled


def _bounds(table: Table, *, short: bool) -> list[str]:
    """Where the sites' bounds lie. When ``short``, only if a number here says that it lies at one, or that values were clipped."""
    cells, places = table.cells, range(len(measures(table.cells)))
    own = [of.values[i] for row in cells.rows for of in row.sites.values() if of is not None for i in places]
    if short and not any(value.clipped or value.end for value in own):
        return []
    return _by_site(table, bounds_means)


def _by_site(table: Table, means: Callable[[Iterable[ReleasedColumn]], str]) -> list[str]:
    """What is said of the columns, in one sentence of all sites for which it is the same."""
    told: dict[str, list[str]] = {}
    for site, release in table.releases.items():
        if clause := means(release.measures):
            told.setdefault(clause, []).append(table.title(site))
    by_site = len(told) > 1
    return [f"{clause[:1].upper()}{clause[1:]}{f' ({joined(sites)})' if by_site else ''}." for clause, sites in told.items()]


def _absent(table: Table) -> list[str]:
    """Which sites are missing, why, and what that means for what is pooled. First: it is about every number of all sites."""
    absent = [f"{table.title(site)} ({why})" for site, why in table.missing.items()]
    absent += [f"{table.title(site)} ({refusal.words.rstrip('.')})" for site, refusal in table.refusals.items()]
    if not absent:
        return []
    pooled = " Pooled numbers are without it." if len(absent) == 1 else " Pooled numbers are without them."
    return [f"Not in this table: {'; '.join(absent)}.{pooled if len(table.cells.released) > 1 else ''}"]


def captions(table: Table, short: bool = False) -> list[str]:
    """Which rules were applied where, what is partly missing, and which sites are missing and why.

    When ``short``, give only the first rule, and only where nothing is suppressed: the rest is folded away elsewhere.
    """
    cells, lines = table.cells, _absent(table)
    places = range(len(measures(cells)))
    lost = any(suppressed(row, i, site) for row in cells.rows for site in row.sites for i in places)
    for sites, policy, applied in rules(table):
        told = applied if not short else [] if lost else applied[:1]
        named = f"rules {policy.partition('/')[0]}" if short else policy
        lines.append(f"Released by {sites} under {named}{': ' if told else ''}{'; '.join(told)}.")
    if lost:
        lines.append(f"{SUPPRESSED}: {why_suppressed(table)}.")
    if any(own is not None and own.values[i].about for row in cells.rows for own in row.sites.values() for i in places):
        lines += [f"{why_about(table)}.", *about_words(table)]
    lines += [*_bounds(table, short=short), *_by_site(table, grids_mean)]
    if any(row.values[i].clipped for row in cells.rows for i in places) and len(cells.released) > 1:
        lines.append(f"{CLIPPED} many of a site's values were clipped; its own number says how many.")
    if len(cells.released) > 1:
        shown = {total(cells, row, i) for row in cells.rows for i in places}
        if why := why_partly(cells, places):
            lines.append(f"{why}.")
        if any(WITHIN in text for text in shown):
            lines.append(f"{WITHIN_MEANS}.")
        kinds = [column.kind for column in measures(cells)]
        if "quantile" in kinds:
            lines.append("Quantiles are per site: they cannot be pooled; a histogram can.")
        if any(total(cells, row, i) == SEE_SITES for row in cells.rows for i in places if kinds[i] != "quantile"):
            lines.append(f"{SEE_SITES}: a site does not say over how many values its number is, so it cannot be pooled.")
    if not short:
        lines += [f"{table.title(site)}: {used}." for site, used in costs(table)]
    lines += [
        f"Ask with fewer groups: {table.title(site)} has few sets of persons left for {low}; tp.account() shows all."
        for site, release in table.releases.items()
        if (low := in_few_words(release.account))
    ]
    if table.left_out is not None:
        lines.append(f"{left_out_means(table.left_out)}.")
    if len(cells.rows) > ROWS:
        lines.append(f"{len(cells.rows):,} rows, the first {ROWS} shown; .frame() has them all.")
    return lines
