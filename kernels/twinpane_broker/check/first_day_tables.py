"""First events as tables of the catalogue: one row a person, with the person's key and the day of the first such event."""

from collections.abc import Iterable

from twinpane_broker.catalogue.catalogue import Catalogue, Table
from twinpane_broker.question.firsts import DAY, First

from .listed import listed_date, listed_table, not_allowed


def with_first_days(firsts: Iterable[First], catalogue: Catalogue) -> Catalogue:
    """The catalogue with a table for each first event. Raises Refused if it lists no such event, or no such date."""
    made = tuple(_table(first, catalogue) for first in firsts)
    return catalogue.model_copy(update={"tables": (*catalogue.tables, *made)}) if made else catalogue


def _table(first: First, catalogue: Catalogue) -> Table:
    table = listed_table(first.event.table, catalogue)
    date = listed_date(table, first.event.date or "")
    if catalogue.table(first.name) is not None:
        raise not_allowed(f"{first.name} is a table already.")
    key = next(column for column in table.columns if column.name == table.person_key)
    label = f"first {date.label or date.name}"[:300]
    day = date.model_copy(update={"name": DAY, "label": label, "after": None, "follows": None, "given": ()})
    return Table(name=first.name, label=f"first events in {table.name}", person_key=key.name, columns=(key, day))
