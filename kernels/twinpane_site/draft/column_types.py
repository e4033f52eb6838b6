"""The catalogue's types, and the SQL that reads a column of the source in one: a key is never rounded, and never a double by guess."""

import re

from twinpane_broker import ColumnType

DUCKDB_TYPES = {
    ColumnType.boolean: "BOOLEAN",
    ColumnType.integer: "BIGINT",
    ColumnType.double: "DOUBLE",
    ColumnType.varchar: "VARCHAR",
    ColumnType.date: "DATE",
    ColumnType.timestamp: "TIMESTAMP",
}
"""The DuckDB type that a snapshot stores each column type as, so that the twin's files and the site's have the same types."""

_TYPES = (
    (r"BOOLEAN", ColumnType.boolean),
    (r"U?(TINY|SMALL|BIG)INT|U?INTEGER|U?HUGEINT|DECIMAL\(\d+,0\)", ColumnType.integer),
    (r"FLOAT|DOUBLE|DECIMAL.*", ColumnType.double),
    (r"VARCHAR|ENUM.*|UUID|JSON", ColumnType.varchar),
    (r"DATE", ColumnType.date),
    (r"TIMESTAMP.*|DATETIME", ColumnType.timestamp),
)
_WIDE = re.compile(r"UBIGINT|U?HUGEINT|DECIMAL\((19|[23]\d),0\)")
_EXACT = {"DOUBLE": 2**53, "FLOAT": 2**24}


def type_of(raw: str) -> ColumnType | None:
    """The catalogue's type for a type of DuckDB's; None where there is none."""
    return next((found for pattern, found in _TYPES if re.fullmatch(pattern, raw)), None)


def is_wide(raw: str) -> bool:
    """Whether it is a type of whole numbers that may lie beyond 64 bits."""
    return _WIDE.fullmatch(raw) is not None


def is_floating(raw: str) -> bool:
    """Whether whole numbers of this type may have been rounded before they came here."""
    return raw in _EXACT


def is_fraction(raw: str) -> bool:
    """Whether it is a type of numbers with decimals."""
    return type_of(raw) is ColumnType.double


def fits(x: str, raw: str) -> str:
    """SQL: whether a number is a whole one of 64 bits, and surely the one that was meant. NULL for a missing number."""
    if raw in _EXACT:
        return f"CASE WHEN isfinite({x}) THEN {x} = trunc({x}) AND abs({x}) <= {_EXACT[raw]} END"
    held = f"TRY_CAST({x} AS BIGINT) IS NOT NULL"
    return f"CASE WHEN {x} IS NOT NULL THEN {held}{f' AND {x} = trunc({x})' if is_fraction(raw) else ''} END"


def as_written(x: str) -> str:
    """SQL: whether a text is a whole number of 64 bits in its one usual form: 7, but neither 07 nor 7.0."""
    return f"coalesce(CAST(TRY_CAST({x} AS BIGINT) AS VARCHAR) = {x}, {x} IS NULL)"


def in_type(x: str, raw: str, target: ColumnType) -> str:
    """SQL: the column in a type of the catalogue. A whole number becomes the text of a whole number: 7, never 7.0."""
    if target is ColumnType.varchar and is_fraction(raw):
        limit = f" AND abs({x}) <= {_EXACT[raw]}" if raw in _EXACT else ""
        whole = f"CAST(CAST({x} AS HUGEINT) AS VARCHAR)"
        return f"CASE WHEN {x} = trunc({x}){limit} THEN {whole} ELSE CAST({x} AS VARCHAR) END"
    if target is ColumnType.integer and raw in _EXACT:
        return f"CAST(CASE WHEN isfinite({x}) THEN {x} END AS BIGINT)"
    return f"CAST({x} AS {DUCKDB_TYPES[target]})"


def key_in_type(x: str, raw: str, target: ColumnType) -> str:
    """SQL: a person key in a type of the catalogue; an empty text is no key."""
    value = in_type(x, raw, target)
    return f"NULLIF({value}, '')" if target is ColumnType.varchar else value


def changes(x: str, raw: str, target: ColumnType, *, identity: bool) -> str | None:
    """SQL: whether reading a value in that type makes another one of it; None where it never does.

    ``identity``: of keys and codes, for which a value that is nearly right is another person or another code.
    """
    if target is ColumnType.integer and type_of(raw) is ColumnType.varchar:
        return f"NOT {as_written(x)}" if identity else f"CAST({x} AS DOUBLE) <> CAST({x} AS BIGINT)"
    if target is ColumnType.integer and is_fraction(raw):
        return f"NOT {fits(x, raw)}" if identity else f"{x} <> trunc({x})"
    if target is ColumnType.double and identity and type_of(raw) is not ColumnType.varchar and raw not in _EXACT:
        return f"abs(CAST({x} AS DOUBLE)) >= {_EXACT['DOUBLE']}"
    return None
