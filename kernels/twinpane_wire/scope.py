"""What of a site's data a project has to do with: tables, and columns of them. Asked for by a hub, accepted by a steward."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from twinpane_broker import Closed, Identifier
from twinpane_ground import limits

__all__ = ["Scope", "TableScope"]


class TableScope(Closed):
    """A table; ``columns`` None: all those that the site's catalogue does not hide."""

    table: Identifier
    columns: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=limits.COLUMNS)] | None = None

    @model_validator(mode="after")
    def _no_column_twice(self) -> Self:
        if self.columns is not None and len(set(self.columns)) != len(self.columns):
            raise ValueError("a column is listed twice")
        return self


def _checked(tables: tuple[TableScope, ...]) -> tuple[TableScope, ...]:
    if len({scope.table for scope in tables}) != len(tables):
        raise ValueError("a table is listed twice")
    if sum(len(scope.columns or ()) for scope in tables) > limits.COLUMNS:
        raise ValueError(f"more than {limits.COLUMNS} columns are listed")
    return tables


Scope = Annotated[tuple[TableScope, ...], Field(max_length=limits.TABLES), AfterValidator(_checked)] | None
"""Tables, each once; None: every table."""
