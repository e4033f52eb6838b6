"""What the sites publish, as one catalogue to read SQL by: names of tables and columns, labels of codes. Each site checks by its own."""

from collections.abc import Iterable

from twinpane.catalogues.browser import Browser
from twinpane_broker import Catalogue, Column, Table, code_order


def all_catalogues() -> Catalogue | None:
    """The catalogues of all sites as one; None where no site publishes any."""
    sites = list(Browser.ask().sites.values())
    if len(sites) < 2:
        return sites[0] if sites else None
    tables: dict[str, list[Table]] = {}
    for table in (table for site in sites for table in site.tables):
        tables.setdefault(table.name, []).append(table)
    return sites[0].model_copy(update={"tables": tuple(map(_table, tables.values()))})


def _table(same: list[Table]) -> Table:
    columns: dict[str, list[Column]] = {}
    for column in (column for table in same for column in table.visible):
        columns.setdefault(column.name, []).append(column)
    # A share is of persons only where no site has two rows of one.
    most = max((table.rows_per_person for table in same), key=len)
    return same[0].model_copy(update={"columns": tuple(map(_column, columns.values())), "rows_per_person": most})


def _column(same: Iterable[Column]) -> Column:
    first, *others = same
    codes = {code_order(code.value): code for column in (*others[::-1], first) for code in column.codes}
    return first.model_copy(update={"codes": tuple(codes.values()), "missing": max(column.missing for column in (first, *others))})
