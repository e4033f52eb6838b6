"""Where the engines' SQL differs. Everything else that the broker writes is standard SQL that all of them understand."""

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
    """One engine's way of saying what SQL leaves open; the defaults are DuckDB's.

    Placeholders have no numbers: parameters go in the order in which they stand in the text, so statements nest as they are.
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
        """An identifier that cannot be anything else."""
        return self.quote + name.replace(self.quote, 2 * self.quote) + self.quote

    def table(self, name: str) -> str:
        """A table of the store, with its schema."""
        return f"{self.quoted(self.schema)}.{self.quoted(name)}" if self.schema else self.quoted(name)

    def bigint(self, expression: str) -> str:
        """A whole number of 64 bits."""
        return f"CAST({expression} AS BIGINT)"

    def divided(self, expression: str, by: int) -> str:
        """A whole number that is not negative, divided by another; the remainder is dropped."""
        return f"({expression} // {by})"

    def distinct(self, sql: str) -> str:
        """The rows of a statement, each once where the engine can do that for many rows; for results that become sets in any case."""
        return f"SELECT DISTINCT * FROM ({sql}) told" if self.spills else sql  # noqa: S608

    def two_largest(self, expression: str) -> str:
        """An aggregate: the array of the (at most) two largest values, the largest first; NULL or empty where there is none."""
        return f"max({expression}, 2)"

    def days_between(self, later: str, earlier: str) -> str:
        """The number of days from ``earlier`` to ``later``."""
        return f"({later} - {earlier})"


def numbers(values: Iterable[int]) -> str:
    """Whole numbers of the broker's own making as a list in SQL; nothing else can stand in it."""
    return ", ".join(str(int(value)) for value in values)
