"""A predicate as SQL over the store: codes by their numbers, dates by their months, literals bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Role
from twinpane_broker.question.plan import Difference, split
from twinpane_broker.question.predicates import AllOf, AnyOf, ConceptSet, In, Missing, Not, Predicate, Range, Window, code_order

from .category_keys import code_numbers, month_of, numbers_of
from .dialect import Dialect, Parameter, numbers
from .layout import FIRST_UNLISTED, clipped_name, month_name, value_name


@dataclass
class Conditions:
    """Writes predicates as SQL, and gathers the parameters of the placeholders in the order of writing.

    ``alias`` gives a table's alias, quoted or plain; column names begin with it.
    """

    catalogue: Catalogue
    dialect: Dialect
    alias: Callable[[str], str]
    parameters: list[Parameter] = field(default_factory=list)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    """The differences of dates that predicates may name, by name."""

    def literal(self, value: Parameter) -> str:
        """A placeholder for a value."""
        self.parameters.append(value)
        return self.dialect.placeholder

    def column(self, reference: str) -> str:
        """A stored column; of a date, the day."""
        table, name = split(reference)
        return f"{self.alias(table)}.{self.dialect.quoted(name)}"

    def difference(self, reference: str) -> str | None:
        """A difference of dates as it is, before any clipping, as a floating point number; None for a column."""
        difference = self.differences.get(reference)
        if difference is None:
            return None
        since, until = difference.since, difference.until
        if difference.unit is not None:
            told = f"{self.year(until)} - {self.year(since)}"
        else:
            told = self.dialect.days_between(self.column(until), self.column(since))
        return f"CAST({told} AS {self.dialect.double})"

    def year(self, reference: str) -> str:
        """The year of a date, or the one that a column of years holds; NULL where that is not known."""
        meaning, stored = self.meaning(reference), self.column(reference)
        if meaning.role is Role.date:
            return f"EXTRACT(YEAR FROM {stored})"
        if meaning.measured:
            return self.value(reference)
        known = code_numbers(meaning)
        years = " ".join(f"WHEN {stored} = {known[code_order(code.value)]} THEN {int(code.value)}" for code in meaning.codes)
        # A year that too few persons have to be approved is known inside all the same.
        return f"(CASE {years} WHEN {stored} <= {FIRST_UNLISTED} THEN {FIRST_UNLISTED} - {stored} END)"

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
                return f"({self.difference(predicate.column) or self.grouped(predicate.column)} IS NULL)"
            case Range():
                column = self.difference(predicate.column) or self.column(predicate.column)
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
