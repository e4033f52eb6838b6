"""Searching the catalogue: columns and codes by the words in their names and labels, by role and by completeness."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from twinpane.style import STYLE
from twinpane_broker import Catalogue, Column, Role

SHOWN = 100
"""Hits shown, at most; ``frame()`` has them all."""


@dataclass(frozen=True)
class Hit:
    """A column, or one code of a column, that matches. ``complete``: the share of rows with a value, by site."""

    table: str
    column: str
    role: Role
    label: str
    complete: Mapping[str, float]
    code: Any = None


class Found(list[Hit]):
    """What was found, columns first; shows as a table, ``frame()`` gives pandas, ``codes(…)`` the codes for a ``where``."""

    def codes(self, column: str | None = None) -> list[Any]:
        """The codes that were found. Name the ``column`` where several columns have some."""
        return list(dict.fromkeys(hit.code for hit in self if hit.code is not None and column in (None, hit.column)))

    def frame(self) -> Any:
        """One row per hit: table, column, role, code (NA for a column), label, completeness at its worst site."""
        import pandas as pd

        rows = [(h.table, h.column, str(h.role), h.code, h.label, min(h.complete.values())) for h in self]
        return pd.DataFrame(rows, columns=["table", "column", "role", "code", "label", "complete"])

    def __repr__(self) -> str:
        """A line per hit."""
        lines = ["  ".join(part for part in line if part) for line in self._lines()]
        return "\n".join(lines + self._more()) or "Nothing in the catalogue fits."

    def _repr_html_(self) -> str:
        head = "".join(f'<th class="g" scope="col">{name}</th>' for name in ("column", "role", "code", "label", "complete"))
        body = "".join("<tr>" + "".join(f'<td class="g">{escape(text)}</td>' for text in line) + "</tr>" for line in self._lines())
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self else "<p>Nothing in the catalogue fits.</p>"
        return f'{STYLE}<div class="twp-t">{table}{"".join(f"<p>{line}</p>" for line in self._more())}</div>'

    def _lines(self) -> Iterator[tuple[str, ...]]:
        for hit in self[:SHOWN]:
            shares = dict.fromkeys(f"{share:.0%}" for share in hit.complete.values())
            complete = next(iter(shares)) if len(shares) == 1 else ", ".join(f"{site} {share:.0%}" for site, share in hit.complete.items())
            yield f"{hit.table}.{hit.column}", str(hit.role), "" if hit.code is None else str(hit.code), hit.label, complete

    def _more(self) -> list[str]:
        return [f"{len(self):,} finds, the first {SHOWN} shown; .frame() has them all."] if len(self) > SHOWN else []


def search(sites: Mapping[str, Catalogue], tables: tuple[str, ...], text: str, role: str | None, complete: float) -> Found:
    """See ``Browser.find``."""
    words = text.casefold().split()
    columns, codes = Found(), Found()
    for name in tables:
        for column_name, at in _columns(sites, name).items():
            first = next(iter(at.values()))
            shares = {site: 1 - column.missing for site, column in at.items()}
            if (role is not None and not _plays(first, role)) or min(shares.values()) < complete:
                continue
            if _fits(words, name, column_name, *(column.label for column in at.values())):
                columns.append(Hit(name, column_name, first.role, first.label, shares))
            if not words:
                continue
            listed = {code.value: code.label for column in reversed(at.values()) for code in column.codes}
            codes += [
                Hit(name, column_name, first.role, label, shares, code) for code, label in listed.items() if _fits(words, str(code), label)
            ]
    return Found([*columns, *codes])


def _columns(sites: Mapping[str, Catalogue], table: str) -> dict[str, dict[str, Column]]:
    at: dict[str, dict[str, Column]] = {}
    for site, catalogue in sites.items():
        listed = catalogue.table(table)
        for column in listed.visible if listed else ():
            at.setdefault(column.name, {})[site] = column
    return at


def _plays(column: Column, role: str) -> bool:
    return column.role == role or (role == Role.measure and column.measured)


def _fits(words: list[str], *texts: str) -> bool:
    whole = " ".join(texts).casefold()
    return all(word in whole for word in words)
