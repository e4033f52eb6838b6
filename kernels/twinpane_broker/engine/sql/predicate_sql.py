"""A predicate as SQL over the store: codes by their numbers, dates by their months, literals bound."""

from collections.abc import Callable
from dataclasses import dataclass, field

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Role
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import AllOf, AnyOf, ConceptSet, In, Missing, Not, Predicate, Range, Window

from .category_keys import month_of, numbers_of
from .dialect import Dialect, Parameter, numbers
from .layout import clipped_name, month_name, value_name


@dataclass
class Conditions:
    """Writes predicates as SQL, and gathers the parameters of the placeholders in the order of writing.

    ``alias`` gives a table's alias, quoted or plain; column names begin with it.
    """

    catalogue: Catalogue
    dialect: Dialect
    alias: Callable[[str], str]
    parameters: list[Parameter] = field(default_factory=list)

    def literal(self, value: Parameter) -> str:
        """A placeholder for a value."""
        self.parameters.append(value)
        return self.dialect.placeholder

    def column(self, reference: str) -> str:
        """A stored column; of a date, the day."""
        table, name = split(reference)
        return f"{self.alias(table)}.{self.dialect.quoted(name)}"

    def value(self, reference: str) -> str:
        """The stored value of a column that may be averaged."""
        return f"{self.alias(split(reference)[0])}.{self.dialect.quoted(value_name(self.meaning(reference)))}"

    def binned(self, reference: str) -> str:
        """The stored column that a date or a column that may be averaged is grouped in bins by."""
        return self.months(reference) if self.meaning(reference).role is Role.date else self.value(reference)

    def months(self, reference: str) -> str:
        """The stored month of a date column."""
        table, name = split(reference)
        return f"{self.alias(table)}.{self.dialect.quoted(month_name(name))}"

    def clipped(self, reference: str) -> str:
        """The stored mark of a measure's clipped values."""
        table, name = split(reference)
        return f"{self.alias(table)}.{self.dialect.quoted(clipped_name(name))}"

    def grouped(self, reference: str) -> str:
        """The stored column that groups and compares a dimension, a measure or a date."""
        return self.months(reference) if self.meaning(reference).role is Role.date else self.column(reference)

    def meaning(self, reference: str) -> Column:
        """The column in the catalogue."""
        table, name = split(reference)
        return self.catalogue.known_table(table).known_column(name)

    def sql(self, predicate: Predicate) -> str:
        """A predicate, in parentheses; NULL if it is neither true nor false."""
        match predicate:
            case AllOf() | AnyOf():
                word = " AND " if isinstance(predicate, AllOf) else " OR "
                return "(" + word.join(self.sql(term) for term in predicate.terms) + ")"
            case Not():
                return f"(NOT {self.sql(predicate.term)})"
            case In():
                codes = sorted(numbers_of(self.meaning(predicate.column), predicate.codes))
                return f"({self.column(predicate.column)} IN ({numbers(codes)}))"
            case Missing():
                return f"({self.grouped(predicate.column)} IS NULL)"
            case Range():
                column = self.column(predicate.column)
                # Clipping moved values below the bounds onto the lower bound, where they count like any other value.
                ends = [f"{column} >= {self.literal(float(predicate.low))}"] if predicate.low is not None else []
                ends += [f"{column} < {self.literal(float(predicate.high))}"] if predicate.high is not None else []
                return "(" + " AND ".join(ends) + ")"
            case Window():
                column = self.months(predicate.column)
                ends = [f"{column} >= {month_of(predicate.start)}"] if predicate.start is not None else []
                ends += [f"{column} < {month_of(predicate.end)}"] if predicate.end is not None else []
                return "(" + " AND ".join(ends) + ")"
            case ConceptSet():
                raise TypeError("the check of a plan resolves its concept sets")
