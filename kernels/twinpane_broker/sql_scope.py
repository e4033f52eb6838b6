"""Names while SQL is read: which tables are in play under which alias, and which column a name means."""

from typing import NoReturn

from sqlglot import exp

from .catalogue import Catalogue
from .errors import Refused
from .sql_refusals import reason_of


def refuse(node: exp.Expression) -> NoReturn:
    """Raise Refused for a node, naming its construct."""
    while isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        # How the dialect reads any_value(x) and the like; the function is what is refused.
        node = node.this
    name = node.name.lower() if isinstance(node, exp.Anonymous) else node.key
    raise Refused(reason_of(name))


def only(node: exp.Expression, *allowed: str) -> None:
    """Refuse a node that carries anything but these parts: what the parser learns tomorrow is refused too."""
    for part, value in node.args.items():
        if part in allowed or value is None or value is False or value == []:
            continue
        raise Refused(reason_of(part if part not in ("expressions", "this") else node.key))


class Scope:
    """Tables of one SELECT by alias (casefolded), and the columns that names in it mean."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self._catalogue = catalogue
        self.tables: dict[str, str] = {}

    def enter(self, node: exp.Expression) -> str:
        """Bring a table of FROM or JOIN into play; returns its name."""
        if not isinstance(node, exp.Table):
            refuse(node)
        if not isinstance(node.this, exp.Identifier):
            refuse(node.this)
        only(node, "this", "alias")
        alias = node.args.get("alias")
        if alias is not None:
            only(alias, "this")
        name = self._table_name(node.name)
        key = (node.alias or node.name).casefold()
        if key in self.tables or name in self.tables.values():
            raise Refused(f"{name[:63]} is used twice; a plan uses a table once.")
        self.tables[key] = name
        return name

    def column(self, node: exp.Column, *, person_key: bool = False) -> str:
        """``table.column`` of a column node. With ``person_key`` an unqualified name that several tables have means the first table's."""
        if not isinstance(node.this, exp.Identifier):
            refuse(node.this)
        only(node, "this", "table")
        if not node.table:
            return self.named(node.name, person_key=person_key)
        table = self.tables.get(node.table.casefold())
        if table is None:
            raise Refused(f"There is no table {node.table[:63]} in FROM or JOIN.")
        return f"{table}.{self._column_name(table, node.name) or node.name}"

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
