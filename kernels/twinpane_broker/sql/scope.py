"""Names while SQL is read: which tables are in play under which alias, and which column a name means."""

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.errors import Refused

from .said import Name, Source


class Scope:
    """Tables of one SELECT by alias (casefolded), and the columns that names in it mean."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self._catalogue = catalogue
        self.tables: dict[str, str] = {}

    def enter(self, source: Source) -> str:
        """Bring a table of FROM or JOIN into play; returns its name."""
        name = self._table_name(source.table)
        key = (source.alias or source.table).casefold()
        if key in self.tables or name in self.tables.values():
            raise Refused(f"{name[:63]} is used twice; a plan uses a table once.")
        self.tables[key] = name
        return name

    def column(self, name: Name, *, person_key: bool = False) -> str:
        """``table.column`` of a name. With ``person_key`` an unqualified name that several tables have means the first table's."""
        if name.table is None:
            return self.named(name.column, person_key=person_key)
        table = self.tables.get(name.table.casefold())
        if table is None:
            raise Refused(f"There is no table {name.table[:63]} in FROM or JOIN.")
        return f"{table}.{self._column_name(table, name.column) or name.column}"

    def named(self, name: str, *, within: dict[str, str] | None = None, person_key: bool = False) -> str:
        """``table.column`` of a name without its table, sought in the tables in play or in ``within``."""
        tables = list((within if within is not None else self.tables).values())
        if len(tables) == 1 or person_key:
            return f"{tables[0]}.{self._column_name(tables[0], name) or name}"
        found = [f"{table}.{own}" for table in tables if (own := self._column_name(table, name))]
        if len(found) == 1:
            return found[0]
        if found and within is not None:
            return found[0]
        example = found[0] if found else f"{tables[0]}.{name}"
        raise Refused(f"{name[:63]} could belong to any of the joined tables: write it with its table, like {example[:127]}.")

    def _table_name(self, name: str) -> str:
        if self._catalogue is None:
            return name
        return next((t.name for t in self._catalogue.tables if t.name.casefold() == name.casefold()), name)

    def _column_name(self, table: str, name: str) -> str | None:
        known = self._catalogue.table(table) if self._catalogue is not None else None
        if known is None:
            return None
        return next((c.name for c in known.visible if c.name.casefold() == name.casefold()), None)
