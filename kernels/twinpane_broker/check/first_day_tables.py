"""First events as tables of the catalogue: one row a person, with the person's key and the day of the first such event."""

from collections.abc import Iterable

from twinpane_broker.catalogue.catalogue import Catalogue, Table
from twinpane_broker.question.firsts import DAY, First
from twinpane_broker.question.predicates import In, leaves

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
    label = f"first {date.label or date.name}{_of_codes(first, table)}"[:300]
    day = date.model_copy(update={"name": DAY, "label": label, "after": None, "follows": None, "given": ()})
    return Table(name=first.name, label=f"first events in {table.name}", person_key=key.name, columns=(key, day))


def _of_codes(first: First, table: Table) -> str:
    """The codes of which the event is the first, in words: they tell two first events of one table apart."""
    codes = [code for leaf in leaves(first.event.where) if isinstance(leaf, In) for code in leaf.codes]
    known = {code.value: code.label for column in table.visible for code in column.codes}
    named = [str(known.get(code) or code)[:60] for code in codes[:2]]
    return f" of {', '.join(named)}{' …' if len(codes) > len(named) else ''}" if named else ""
