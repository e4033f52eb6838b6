"""The columns of a store's table, for every engine: the person's number, and the approved columns in the form that questions need.

* ``twinpane_p``: the person's number from the site's register. The store holds neither person keys nor rows without a person.
* A dimension, under its own name: the index into ``column.codes``; NULL if missing. A value that is not approved is -1, or below -2 in a
  column of whole numbers: there each has a number of its own (``unlisted_number``), which code sets of a vocabulary name.
* A measure, under its own name: a double, clipped to the catalogue's bounds; NaN is NULL. ``<name>__clipped`` is 1 where it was clipped,
  else NULL.
* The value of a dimension that is a measure too, as a measure's (``<name>__value``).
* A date, under its own name, and its month (``<name>__month``): year × 12 + month - 1, between ``FIRST_MONTH`` and ``LAST_MONTH``.
* A key that is not the person key: as it is.
"""

import hashlib
from typing import Any

from twinpane_broker.catalogue.catalogue import Catalogue, CodeValue, Column, ColumnType, Role, Table
from twinpane_broker.errors import EngineError
from twinpane_broker.model import canonical_json
from twinpane_broker.question.predicates import LARGEST_UNLISTED, code_order, has_unlisted_number

from .dialect import PERSON

VERSION = 2
"""Of the layout: a store of another one is made again."""
STAMP = "twinpane_store"
"""The store's table that names, in its column ``made_of``, what it was made of."""
STORED = (Role.dimension, Role.measure, Role.date)
FIRST_MONTH, LAST_MONTH = -32_768, 32_767
"""Months fit in 16 bits: dirty days like 9999-12-31 count as the last month, far beyond every window that a plan can name."""
MOST_SMALL = 32_000
"""Codes of a dimension that 16 bits hold."""
LARGEST_INTEGER = 2**63
FIRST_UNLISTED = -3
"""The number of the code 0, if it is not approved; that of ``LARGEST_UNLISTED`` is the smallest of 32 bits but one."""
NUMBERLESS = FIRST_UNLISTED - LARGEST_UNLISTED - 1
"""What stands for all whole numbers that are not approved and have no such number."""


def month_name(column: str) -> str:
    """The store's column with the months of a date."""
    return f"{column}__month"


def value_name(column: Column) -> str:
    """The store's column with the clipped values of a column that may be averaged."""
    return column.name if column.role is Role.measure else f"{column.name}__value"


def clipped_name(column: str) -> str:
    """The store's column that marks the clipped values of a measure."""
    return f"{column}__clipped"


def person_column(table: Table) -> Column:
    """The table's person key, whatever its role."""
    return next(column for column in table.columns if column.name == table.person_key)


def stored(table: Table) -> tuple[Column, ...]:
    """The catalogue's columns that a table of the store has, in order."""
    return tuple(c for c in table.columns if _is_stored(c, table))


def needed(table: Table) -> tuple[Column, ...]:
    """The columns to read from the snapshot: the stored ones, and the person key."""
    return tuple(c for c in table.columns if _is_stored(c, table) or c.name == table.person_key)


def _is_stored(column: Column, table: Table) -> bool:
    return column.role in STORED or (column.role is Role.key and column.name != table.person_key)


def dimensions(table: Table) -> tuple[Column, ...]:
    """The table's dimensions, in order."""
    return tuple(c for c in table.columns if c.role is Role.dimension)


def code_type(column: Column) -> str:
    """The SQL type of a dimension in the store."""
    return "INTEGER" if column.type is ColumnType.integer or len(column.codes) > MOST_SMALL else "SMALLINT"


def unlisted_number(code: CodeValue) -> int:
    """The store's number of a code of a column of whole numbers, if it is not approved. Raises ValueError if it has none."""
    if not has_unlisted_number(code):
        raise ValueError("only concept ids have a number without being approved")
    return FIRST_UNLISTED - code


def unlisted_code(number: int) -> int:
    """The code of such a number."""
    return FIRST_UNLISTED - number


def code_indexes(column: Column) -> tuple[tuple[CodeValue, int], ...]:
    """The approved values of a dimension, without duplicates, as values of the column's type, with their index.

    Leave out a code that a column of this type cannot hold (true is not 1, '1' is not 1): no row has it.
    """
    found: dict[Any, tuple[CodeValue, int]] = {}
    for index, code in enumerate(column.codes):
        value = _held(code.value, column.type)
        if value is not None and code_order(value) not in found:
            found[code_order(value)] = (value, index)
    return tuple(found.values())


def _held(value: CodeValue, kind: ColumnType) -> CodeValue | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is ColumnType.boolean:
        return value if isinstance(value, bool) else None
    if kind is ColumnType.double:
        return float(value) if number else None
    if kind is ColumnType.integer:
        whole = number and value == int(value) and -LARGEST_INTEGER <= value < LARGEST_INTEGER
        return int(value) if whole else None
    return value if isinstance(value, str) else None


def store_shape(catalogue: Catalogue) -> str:
    """A fingerprint of all parts of a catalogue that the store depends on. Catalogues with the same shape share a store."""
    tables = [
        [table.name, table.person_key,
         [[c.name, c.type, c.role, [code.value for code in c.codes], c.bounds] for c in needed(table)]]
        for table in catalogue.tables
    ]  # fmt: skip
    return hashlib.sha256(canonical_json([VERSION, tables])).hexdigest()


def check_names(catalogue: Catalogue) -> None:
    """Raise EngineError, for a steward to read, if names of the catalogue collide in a database."""
    _differ([STAMP, *(table.name for table in catalogue.tables)], "two tables of the store")
    for table in catalogue.tables:
        kept = stored(table)
        names = [PERSON, *(c.name for c in kept), *(month_name(c.name) for c in kept if c.role is Role.date)]
        names += [value_name(c) for c in kept if c.measured and c.role is not Role.measure]
        names += [clipped_name(c.name) for c in kept if c.measured]
        _differ(names, f"two columns that the broker needs of the table {table.name}")


def _differ(names: list[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise EngineError(f"{what} have the name {name} (databases do not tell capitals apart): give one of them another name")
        seen.add(name.casefold())
