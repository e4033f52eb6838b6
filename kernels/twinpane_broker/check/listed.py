"""What the catalogue lists under a name: a table, a visible column. All else does not exist, and the refusal names what is near."""

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Role, Table
from twinpane_broker.catalogue.hints import did_you_mean
from twinpane_broker.errors import RefusalCode, Refused


def listed_table(name: str, catalogue: Catalogue) -> Table:
    """The table of that name. Raises Refused if there is none."""
    table = catalogue.table(name)
    if table is None:
        raise not_allowed(f"There is no table {name}.{did_you_mean(name, [t.name for t in catalogue.tables])}")
    return table


def listed_column(table: Table, name: str) -> Column:
    """The visible column of that name. Raises Refused if there is none."""
    column = table.column(name)
    if column is None:
        raise not_allowed(f"There is no column {name} in {table.name}.{did_you_mean(name, [c.name for c in table.visible])}")
    return column


def listed_date(table: Table, name: str) -> Column:
    """The date column of that name. Raises Refused if there is none."""
    column = listed_column(table, name)
    if column.role is not Role.date:
        dates = [c.name for c in table.visible if c.role is Role.date]
        raise not_allowed(f"{table.name}.{name} is a {column.role}, not a date.{did_you_mean(name, dates)}")
    return column


def not_allowed(reason: str) -> Refused:
    """The refusal of something that the catalogue does not allow."""
    return Refused(reason, RefusalCode.catalogue)
