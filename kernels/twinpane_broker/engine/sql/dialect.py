"""The differences between the engines' SQL. Everything else that the broker writes is standard SQL, which all engines understand."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

Parameter = bool | int | float | str | date
"""What may be bound to a placeholder."""
Sql = tuple[str, list[Parameter]]
"""A statement with its parameters, in the order of its placeholders."""
PERSON = "twinpane_p"
"""The column of every table of the store with the person's number."""


@dataclass(frozen=True)
class Dialect:
    """The parts of SQL that each engine writes in its own way; the defaults are DuckDB's.

    Placeholders have no numbers. Parameters follow their order in the text, so statements can be nested unchanged.
    """

    name: str = "duckdb"
    placeholder: str = "?"
    quote: str = '"'
    schema: str = ""
    """Where the store's tables are; empty for the connection's own."""
    double: str = "DOUBLE"
    """The type of 64-bit floating point numbers."""
    spills: bool = False
    """Whether the engine may write to disk, so that it can make millions of rows distinct whatever its memory."""

    def quoted(self, name: str) -> str:
        """A name, quoted so that SQL reads it as an identifier only."""
        return self.quote + name.replace(self.quote, 2 * self.quote) + self.quote

    def table(self, name: str) -> str:
        """A table of the store, with its schema."""
        return f"{self.quoted(self.schema)}.{self.quoted(name)}" if self.schema else self.quoted(name)

    def bigint(self, expression: str) -> str:
        """A whole number of 64 bits."""
        return f"CAST({expression} AS BIGINT)"

    def divided(self, expression: str, by: int) -> str:
        """A whole number, not negative, divided by another; drops the remainder."""
        return f"({expression} // {by})"

    def distinct(self, sql: str) -> str:
        """The rows of a statement, without duplicates if the engine can do that for many rows. Only for results that become sets anyway."""
        return f"SELECT DISTINCT * FROM ({sql}) told" if self.spills else sql  # noqa: S608

    def largest(self, expression: str, most: int) -> str:
        """An aggregate: the array of the (at most) so many largest values, the largest first; NULL or empty where there is none."""
        return f"max({expression}, {most})"

    def one_of(self, expression: str) -> str:
        """An aggregate: any of the values, in the fastest way that there is; NULL where there is none."""
        return f"any_value({expression})"

    def days_between(self, later: str, earlier: str) -> str:
        """The number of days from ``earlier`` to ``later``."""
        return f"({later} - {earlier})"


def numbers(values: Iterable[int]) -> str:
    """Whole numbers, made by the broker, as a list in SQL. The list can hold nothing else."""
    return ", ".join(str(int(value)) for value in values)
