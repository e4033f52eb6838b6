"""Browsing the catalogue: what each site publishes about its tables and columns, as HTML and as text."""

from collections.abc import Iterator
from html import escape
from typing import Any

from twinpane import _host
from twinpane.errors import TwinpaneError
from twinpane.style import STYLE
from twinpane_broker import Catalogue, Column, Role, Table, did_you_mean

from . import completion
from .column_page import ColumnPage
from .search import Found, search

CODES = 6
"""Codes listed for a dimension, at most; the column's own page has them all."""


class Browser:
    """The catalogues of all sites: ``sites`` maps a site to its ``Catalogue``.

    ``browser["person"]`` shows one table, ``browser["person"]["sex"]`` one column with all its codes, ``find`` searches.
    """

    def __init__(self, sites: dict[str, Catalogue], only: str | None = None) -> None:
        """Keep the catalogues; ``only`` names the one table to show."""
        self.sites = sites
        self._only = only

    @classmethod
    def ask(cls) -> "Browser":
        """Ask for the catalogues that the sites publish to this project; completion uses them from then on."""
        reply = _host.call("catalogue")
        sites = {site: Catalogue.model_validate(one) for site, one in sorted(reply["sites"].items())}
        completion.keep(sites)
        return cls(sites)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables: the first site's in its order, then those that only further sites have."""
        return tuple(dict.fromkeys(table.name for catalogue in self.sites.values() for table in catalogue.tables))

    def __getitem__(self, name: str) -> Any:
        """A browser of one table; from such a browser, a column."""
        if self._only is not None:
            return self.column(self._only, name)
        if name not in self.tables:
            raise TwinpaneError(f"no site has a table {name!r}; there are {', '.join(self.tables) or 'none'}", "table")
        return Browser(self.sites, name)

    def column(self, table: str, name: str) -> ColumnPage:
        """One column of one table, as each site that has it publishes it; raises TwinpaneError where none does."""
        tables = {site: listed for site, catalogue in self.sites.items() if (listed := catalogue.table(table)) is not None}
        at = {site: column for site, listed in tables.items() if (column := listed.column(name)) is not None}
        if not at:
            known_names = dict.fromkeys(column.name for listed in tables.values() for column in listed.visible)
            raise TwinpaneError(f"no site has a column {name!r} in {table}.{did_you_mean(name, known_names)}", "column")
        return ColumnPage(table, name, at, {site: self.sites[site].title for site in at})

    def find(self, text: str = "", *, role: str | None = None, complete: float = 0.0) -> Found:
        """Columns and codes whose names and labels hold all words of ``text``: ``tp.catalogue().find("creatinine")``.

        ``role`` (``"measure"``, ``"dimension"``, ``"date"`` …) narrows the search, and so does ``complete``: the least share of rows with
        a value, 0 to 1, at every site that has the column. In one table: ``tp.catalogue()["measurement"].find(…)``.
        """
        if role is not None and role not in tuple(Role):
            raise TwinpaneError(f"there is no role {role!r}; there are {', '.join(Role)}", "role")
        return search(self.sites, (self._only,) if self._only else self.tables, text, role, complete)

    def _ipython_key_completions_(self) -> list[str]:
        if self._only is None:
            return list(self.tables)
        listed = (catalogue.table(self._only) for catalogue in self.sites.values())
        return list(dict.fromkeys(column.name for table in listed if table for column in table.visible))

    __iter__ = None  # otherwise Python would iterate by asking for tables 0, 1, 2 …

    def _shown(self) -> Iterator[tuple[str, dict[str, Table]]]:
        for name in (self._only,) if self._only else self.tables:
            found = {site: catalogue.table(name) for site, catalogue in self.sites.items()}
            yield name, {site: table for site, table in found.items() if table is not None}

    def __repr__(self) -> str:
        """The catalogue as text."""
        lines = [f"{site}: {c.title or site}, {c.persons:,} persons, snapshot {c.snapshot}" for site, c in self.sites.items()]
        for name, at in self._shown():
            lines += ["", f"{name}  {_where(at, self.sites)}".rstrip()]
            lines += ["  " + "  ".join(part for part in texts if part) for texts in _rows(at)]
        return "\n".join(lines) or "No site publishes a catalogue to this project yet."

    def _repr_html_(self) -> str:
        sites = "".join(
            f"<p><b>{escape(c.title or site)}</b> ({escape(site)}): {c.persons:,} persons, snapshot {escape(c.snapshot)}</p>"
            for site, c in self.sites.items()
        ) or "<p>No site publishes a catalogue to this project yet.</p>"  # fmt: skip
        return f'{STYLE}<div class="twp-t">{sites}{"".join(self._table(name, at) for name, at in self._shown())}</div>'

    def _table(self, name: str, at: dict[str, Table]) -> str:
        first = next(iter(at.values()))
        head = "".join(f'<th class="g" scope="col">{word}</th>' for word in ("column", "role", "type", "what it holds", "complete"))
        body = "".join(_row_html(texts) for texts in _rows(at))
        about = " ".join(part for part in (first.label, f"person key {first.person_key}.", _where(at, self.sites)) if part)
        return (
            f"<details{' open' if self._only or len(self.tables) == 1 else ''}><summary><b>{escape(name)}</b> {escape(about)}</summary>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
        )


def _row_html(texts: tuple[str, ...]) -> str:
    cells = "".join(f'<td class="g">{escape(text)}</td>' for text in texts[1:])
    return f'<tr><th class="g" scope="row">{escape(texts[0])}</th>{cells}</tr>'


def _where(at: dict[str, Table], sites: dict[str, Any]) -> str:
    return "" if len(at) == len(sites) else f"Only at {', '.join(at)}."


def _rows(at: dict[str, Table]) -> list[tuple[str, ...]]:
    """Per column: name, role, type, what it holds, completeness per site (one number where all agree)."""
    names = dict.fromkeys(column.name for table in at.values() for column in table.visible)
    rows: list[tuple[str, ...]] = []
    for name in names:
        columns = {site: column for site, table in at.items() if (column := table.column(name)) is not None}
        first = next(iter(columns.values()))
        shares = {site: f"{1 - column.missing:.0%}" for site, column in columns.items()}
        same = len(set(shares.values())) == 1 and len(columns) == len(at)
        complete = next(iter(shares.values())) if same else ", ".join(f"{site} {share}" for site, share in shares.items())
        rows.append((name, str(first.role), str(first.type), _holds(first, list(columns.values())), complete))
    return rows


def _holds(first: Column, columns: list[Column]) -> str:
    parts = [first.label] if first.label else []
    if first.role is Role.dimension:
        codes = list(dict.fromkeys(f"{code.value} {code.label}".strip() for column in columns for code in column.codes))
        parts.append(", ".join(codes[:CODES]) + (f" and {len(codes) - CODES} more" if len(codes) > CODES else ""))
    if first.bounds is not None:
        parts.append(f"{first.bounds[0]:,.12g} to {first.bounds[1]:,.12g}{f' {first.unit}' if first.unit else ''}")
    if first.days:
        parts.append(f"mostly {first.days[0]} to {first.days[-1]}")
    if first.references:
        parts.append(f"joins {first.references}")
    return "; ".join(part for part in parts if part)
