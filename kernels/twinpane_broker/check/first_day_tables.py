"""First events as tables of the catalogue: one row a person, with the key, and the day, a value on it, or a number of kinds."""

from collections.abc import Mapping

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role, Table
from twinpane_broker.catalogue.edges import grid_of
from twinpane_broker.question.firsts import DAY, First
from twinpane_broker.question.predicates import In, conjuncts, leaves

from .listed import listed_column, listed_date, listed_table, not_allowed
from .narrowed import narrowed

MOST_KINDS = 50
"""Kinds that a person's number of them is clipped to."""


def with_first_days(firsts: Mapping[str, First], catalogue: Catalogue) -> Catalogue:
    """The catalogue with a table for each first event, by its name. Raises Refused if it lists no such event, or no such date."""
    made = tuple(_table(name, first, catalogue) for name, first in firsts.items())
    return catalogue.model_copy(update={"tables": (*catalogue.tables, *made)}) if made else catalogue


def _table(name: str, first: First, catalogue: Catalogue) -> Table:
    table = listed_table(first.event.table, catalogue)
    if catalogue.table(name) is not None:
        raise not_allowed(f"{name} is a table already.")
    key = next(column for column in table.columns if column.name == table.person_key)
    told = (_day(first, table), _value(first, table), _number(first, table))
    columns = (key, *(column for column in told if column is not None))
    return Table(name=name, label=f"first events in {table.name}", person_key=key.name, columns=columns)


def _day(first: First, table: Table) -> Column | None:
    if first.event.date is None:
        return None
    date = listed_date(table, first.event.date)
    label = f"first {date.label or date.name}{_of_codes(first, table)}"[:300]
    return date.model_copy(update={"name": DAY, "label": label, "after": None, "follows": None, "given": ()})


def _value(first: First, table: Table) -> Column | None:
    """The measure, on the whole column's bounds. If the events are of one code, it may also be cut at the edges of that code's grid."""
    if first.value is None:
        return None
    column = listed_column(table, first.value)
    if not column.measured:
        raise not_allowed(f"The value at a first event is a measure, and {table.name}.{first.value} is a {column.role}.")
    label = f"{column.label or column.name} at the first event"[:300]
    edges = grid_of(narrowed(table, column.name, conjuncts(first.event.where)))
    changed = {"role": Role.measure, "codes": (), "others": 0.0, "label": label, "follows": None, "given": (), "edges": edges}
    return column.model_copy(update=changed)


def _number(first: First, table: Table) -> Column | None:
    if first.kinds is None:
        return None
    counted = listed_column(table, first.kinds)
    if counted.role is not Role.dimension:
        raise not_allowed(
            f"Different codes of a dimension are counted for each person, and {table.name}.{first.kinds} is a {counted.role}."
        )
    if counted.type is not ColumnType.integer and counted.unlisted > 0:
        raise not_allowed(f"{table.name}.{first.kinds} has codes that are not told apart, as they are not approved: count concept ids.")
    label = f"different {counted.label or counted.name} of a person"[:300]
    return Column(
        name=first.number, type=ColumnType.integer, role=Role.measure, label=label, bounds=(0.0, float(MOST_KINDS)),
        sensitive=counted.sensitive,
    )  # fmt: skip


def _of_codes(first: First, table: Table) -> str:
    """The codes of which the event is the first, in words: they tell two first events of one table apart."""
    codes = [code for leaf in leaves(first.event.where) if isinstance(leaf, In) for code in leaf.codes]
    known = {code.value: code.label for column in table.visible for code in column.codes}
    named = [str(known.get(code) or code)[:60] for code in codes[:2]]
    return f" of {', '.join(named)}{' …' if len(codes) > len(named) else ''}" if named else ""
