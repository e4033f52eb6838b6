"""The evidence that an engine measures and the rules judge: exact numbers and exact person sets, which stay inside."""

from dataclasses import dataclass, field

from twinpane_broker.cells.cell_evidence import EMPTY, CellEvidence
from twinpane_broker.cells.person_sets import PersonSet, memory_of
from twinpane_broker.question.predicates import Predicate


@dataclass(frozen=True)
class Condition:
    """One single condition of those that must all hold. It does not depend on the rest of the question."""

    term: Predicate | None
    """As ``normal_form.terms_of`` gives it, those on the rows of one table of events together; None: the cohort."""
    who: PersonSet = field(repr=False)
    """The persons of the population for whom it holds, on some row."""
    denied: tuple[int, ...] = ()
    """Of each comparison on something known that it denies (``normal_form.denied``), the number of persons for whom that holds."""
    commonest: int | None = None
    """Of a condition on one dimension: of the persons for whom all the other conditions here hold, the most who have one of its codes."""
    of_class: bool = False
    """Of a step of a cohort: whether it asks for a sensitive code, so that class disclosure is judged on it."""
    excludes: bool = False
    """Of such a step: whether it leaves out the persons with the code."""
    implied_by: str = ""
    """Of a first event: its table. A condition on the day of the event holds only for persons who have it."""


@dataclass(frozen=True)
class Evidence:
    """All cells of a table, shown or outside, and the populations around them. Totals are made of the cells by ``totals``."""

    population: PersonSet = field(repr=False)
    """The persons in the joined tables, before WHERE and cohort."""
    who: PersonSet = field(repr=False)
    """The persons of the question, after WHERE and cohort."""
    cells: dict[tuple[int, ...], CellEvidence] = field(repr=False)
    """By category index per axis; index ``len(categories)`` is outside. A cell that nobody is in may be left out.

    Without groups there is one cell, ``()``. Totals have no cell here."""
    conditions: tuple[Condition, ...] = field(default=(), repr=False)
    """The question's conditions by themselves. Those on rows that no index answers for are left out (``conditions_alone``)."""
    ways: tuple[int, ...] = ()
    """Of each of ``normal_form.ways`` in which the ORs of WHERE may hold, the number of persons of the population for whom it does."""
    code_sets: tuple[int, ...] = ()
    """The persons of each code set that a vocabulary resolved (``predicates.CodeSet``), whatever else the question says."""
    one_row_each: bool = False
    """Whether nobody has two rows in any of the question's tables."""

    @property
    def persons(self) -> int:
        """Distinct persons of the question."""
        return len(self.who)

    @property
    def memory(self) -> int:
        """Bytes of memory that its sets take."""
        every = [self.population, self.who, *(condition.who for condition in self.conditions)]
        for cell in self.cells.values():
            every += [cell.who, *(of.who for of in (*cell.spreads, *cell.pairs) if of is not None)]
        return sum(map(memory_of, {id(who): who for who in every}.values()))

    def cell(self, index: tuple[int, ...]) -> CellEvidence:
        """The evidence of a cell; an empty cell if it is left out."""
        return self.cells.get(index, EMPTY)
