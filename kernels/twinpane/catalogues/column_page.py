"""One column of the catalogue, site by site: role, unit, bounds, completeness, codes and knots."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from twinpane.style import STYLE
from twinpane_broker import Code, Column, Role, code_order, step_of

LINES = 100
"""Codes shown, at most; ``frame()`` has them all."""
CUTS = 24
"""Values at which ranges cut that are named, at most."""


class ColumnPage:
    """What each site publishes about a column: ``sites`` maps a site to its ``Column``; ``codes`` to labels; ``frame()`` gives pandas."""

    def __init__(self, table: str, name: str, sites: dict[str, Column], titles: dict[str, str] | None = None) -> None:
        """Keep the sites' columns; ``titles`` are the sites' own names."""
        self.table = table
        self.name = name
        self.sites = sites
        self._titles = titles or {}

    @property
    def role(self) -> Role:
        """The column's role at the first site that has it."""
        return next(iter(self.sites.values())).role

    @property
    def codes(self) -> dict[Any, str]:
        """All sites' approved codes and their labels, as ``where(column=[…])`` takes them."""
        return {code.value: code.label for _, code, _ in self._codes()}

    def _codes(self) -> Iterator[tuple[str, Code, dict[str, float]]]:
        """Each code once: one site that has it, the code, and its share of rows by site."""
        found: dict[tuple[str, Any], tuple[str, Code, dict[str, float]]] = {}
        for site, column in self.sites.items():
            for code in column.codes:
                found.setdefault(code_order(code.value), (site, code, {}))[2][site] = code.share
        yield from found.values()

    def frame(self) -> Any:
        """The codes as a pandas DataFrame: ``code``, ``label``, and each site's rounded share of rows that hold it (NA: not listed)."""
        import pandas as pd

        rows = [[code.value, code.label, *(shares.get(site) for site in self.sites)] for _, code, shares in self._codes()]
        return pd.DataFrame(rows, columns=["code", "label", *self.sites]).astype(dict.fromkeys(self.sites, "Float64"))

    def facts(self) -> list[tuple[str, str]]:
        """What the catalogue says of the column, as pairs of a name and a text. Where sites differ, the text says so per site."""
        told: dict[str, Callable[[Column], str]] = {
            "role": lambda c: f"{c.role}{' and measure' if c.role is Role.dimension and c.measured else ''} ({c.type})",
            "means": lambda c: c.label,
            "unit": lambda c: c.unit,
            "complete": lambda c: f"{1 - c.missing:.0%} of rows",
            "bounds": lambda c: f"{c.bounds[0]:,.12g} to {c.bounds[1]:,.12g}; values beyond count as these" if c.bounds else "",
            "ranges cut at": lambda c: f"multiples of {step_of(c):g}{_cuts(c)}" if c.bounds else "",
            "5th, 50th, 95th percentile": lambda c: _knots(c),
            "mostly from … to": lambda c: f"{c.days[0]} to {c.days[-1]}" if c.days else "",
            "joins": lambda c: c.references or "",
            "codes": lambda c: f"{len(c.codes):,}" if c.codes else "",
        }
        return [(name, line) for name, of in told.items() if (line := self._said({site: of(c) for site, c in self.sites.items()}))]

    def _said(self, by_site: dict[str, str]) -> str:
        given = {site: line for site, line in by_site.items() if line}
        if len(set(by_site.values())) == 1:
            return next(iter(by_site.values()))
        return "; ".join(f"{line} at {self._titles.get(site) or site}" for site, line in given.items())

    def __repr__(self) -> str:
        """The facts, then the codes, as text."""
        lines = [f"{self.table}.{self.name}", *(f"  {name}: {line}" for name, line in self.facts())]
        shown = list(self._codes())
        lines += [f"  {code.value}  {code.label}".rstrip() for _, code, _ in shown[:LINES]]
        return "\n".join(lines + ([f"  and {len(shown) - LINES:,} more; .frame() has them all"] if len(shown) > LINES else []))

    def _repr_html_(self) -> str:
        name = f"<p><b>{escape(self.table)}.{escape(self.name)}</b></p>"
        return f'{STYLE}<div class="twp-t">{name}{self.facts_html()}{self.codes_html()}</div>'

    def facts_html(self) -> str:
        """The facts as a small table."""
        rows = "".join(
            f'<tr><th class="g" scope="row">{escape(name)}</th><td class="g f">{escape(line)}</td></tr>' for name, line in self.facts()
        )
        return f"<table><tbody>{rows}</tbody></table>"

    def codes_html(self) -> str:
        """The codes with their labels and shares, empty where there are none."""
        shown = list(self._codes())
        if not shown:
            return ""
        names = [escape(self._titles.get(site) or site) for site in self.sites]
        head = '<th class="g" scope="col">code</th><th class="g" scope="col">label</th>'
        head += "".join(f'<th scope="col">{name}</th>' for name in names)
        body = "".join(
            f'<tr><th class="g" scope="row">{escape(str(code.value))}</th><td class="g">{escape(code.label)}</td>'
            + "".join(f"<td>{f'{shares[site]:.0%}' if site in shares else '–'}</td>" for site in self.sites)
            + "</tr>"
            for _, code, shares in shown[:LINES]
        )
        more = f"<p>{len(shown):,} codes, the first {LINES} shown; .frame() has them all.</p>" if len(shown) > LINES else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cuts(column: Column) -> str:
    """``, 18 and 65``: where ranges cut beside, the first few."""
    cuts = sorted({*column.edges, *column.cuts})
    return f", and {', '.join(f'{cut:,.12g}' for cut in cuts[:CUTS])}{' and more' if len(cuts) > CUTS else ''}" if cuts else ""


def _knots(column: Column) -> str:
    if len(column.knots) < 3:
        return ""
    low, middle, high = column.knots[0], column.knots[len(column.knots) // 2], column.knots[-1]
    return f"{low:,.12g}, {middle:,.12g}, {high:,.12g} (rounded)"
