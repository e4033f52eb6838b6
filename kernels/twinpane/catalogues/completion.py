"""What this process knows of tables and columns without asking. It serves completion, which must never make a call.

It is the catalogue that a cell asked for last. Before that, it is the names in the project's data files. Nothing that a cell computes
may depend on it, because a rehearsal can make it differ between the two runs.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from twinpane_broker import Catalogue, Column, Role

DATA = Path("/data")
"""The project's tables, one Parquet file each: of the twin outside, of the real rows inside."""

_seen: dict[str, Catalogue] = {}


def keep(sites: Mapping[str, Catalogue]) -> None:
    """Remember the sites' catalogues for completion."""
    _seen.clear()
    _seen.update(sites)


def tables() -> list[str]:
    """Names of all known tables."""
    listed = dict.fromkeys(table.name for catalogue in _seen.values() for table in catalogue.tables)
    return list(listed) or sorted(path.stem for path in DATA.glob("*.parquet"))


def columns(table: str) -> dict[str, str]:
    """Names of a table's columns, and one line about each."""
    found: dict[str, str] = {}
    for catalogue in _seen.values():
        listed = catalogue.table(table)
        for column in listed.visible if listed else ():
            found.setdefault(column.name, about(column))
    return found or dict.fromkeys(_in_file(table), "")


def _in_file(table: str) -> list[str]:
    path = DATA / f"{table}.parquet"
    if not table.isidentifier() or not path.is_file():
        return []
    from pyarrow import parquet  # slow to import, and only completion comes here

    try:
        return list(parquet.read_schema(path).names)
    except (OSError, ValueError):
        return []


def about(column: Column) -> str:
    """A column in a line: role, label, unit, bounds, completeness."""
    both = column.role is Role.dimension and column.measured
    parts = [f"{column.role} and measure" if both else str(column.role), column.label, column.unit]
    if column.bounds:
        parts.append(f"{column.bounds[0]:,.12g} to {column.bounds[1]:,.12g}")
    if column.codes:
        parts.append(f"{len(column.codes)} codes")
    return ", ".join(part for part in [*parts, f"{1 - column.missing:.0%} complete"] if part)


class ColumnName(str):
    """A column's name, as text; ``t.columns.age?`` shows what the catalogue says of it."""

    def __new__(cls, name: str, told: str = "") -> "ColumnName":
        """The name with its line of the catalogue as documentation."""
        made = super().__new__(cls, name)
        if told:
            made.__doc__ = told
        return made


class Columns:
    """The columns of a table by name, for completion: ``t.columns.sex`` and ``t.columns["sex"]`` are both the text ``sex``."""

    def __init__(self, table: str) -> None:
        """The columns of ``table``."""
        self._table = table

    def __getitem__(self, name: str) -> ColumnName:
        """The column of that name. Whether it exists is for the sites to say."""
        return ColumnName(name, columns(self._table).get(name, ""))

    def __getattr__(self, name: str) -> ColumnName:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __dir__(self) -> list[str]:
        return list(columns(self._table))

    def _ipython_key_completions_(self) -> list[str]:
        return list(columns(self._table))

    def __iter__(self) -> Iterator[str]:
        return iter(columns(self._table))

    def __repr__(self) -> str:
        """The names, and a line about each."""
        lines = [f"{name}  {told}".rstrip() for name, told in columns(self._table).items()]
        return "\n".join(lines) or f"Nothing is known of {self._table} yet: tp.catalogue() asks the sites."
