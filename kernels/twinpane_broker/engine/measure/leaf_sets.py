"""Person sets of single comparisons, combined by AND, OR and NOT in SQL's three-valued logic.

If nobody has two rows in a table, a row is a person. A comparison is then true for one set of persons and false for another. It is
neither for the persons without a value.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from twinpane_broker.catalogue.catalogue import Column, Role
from twinpane_broker.cells.person_sets import NOBODY, PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.index.streams import digits_of, persons_of, sets_of
from twinpane_broker.engine.sql.category_keys import OTHER, AxisKey, code_numbers, numbers_of
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.fine_bins import fine_bin
from twinpane_broker.engine.sql.predicate_sql import Conditions
from twinpane_broker.engine.sql.relation import relation
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Leaf, Missing, Not, Predicate, leaves

Codes = frozenset[int | None]
"""Of a dimension, by the store's number; negative ones are not approved, None a missing one."""


class LeafSets:
    """The person sets of a store's codes and comparisons. They come from the index, or the engine is asked once and they are cached."""

    def __init__(self, store: Store, runner: Runner, bound: ResolvedPlan) -> None:
        self._store = store
        self._runner = runner
        self._catalogue = bound.catalogue
        self._firsts = bound.firsts
        self._differences = {one.name: one for one in bound.plan.differences}

    def present(self, table: str) -> PersonSet:
        """Everybody in the table."""
        if table not in self._firsts:
            return self._store.index.present(table)

        def ask() -> PersonSet:
            conditions = self._conditions()
            sql = f"SELECT t0.{PERSON} AS p FROM {relation(table, self._firsts, conditions)} t0"  # noqa: S608
            return persons_of(self._runner.batches(sql, conditions.parameters))

        return self._store.kept.one(("first", *self._events_of(table)), ask)

    def code(self, reference: str, code: int | None) -> PersonSet:
        """The persons with a row that holds a code of a dimension; -1 one that is not approved, None a missing one."""
        table, column = split(reference)
        return self._store.index.code(table, column, code)

    def codes(self, reference: str, codes: list[int | None]) -> PersonSet:
        """The persons with a row that holds any of the codes."""
        sets = [who for code in codes if (who := self.code(reference, code))]
        return PersonSet.union(*sets) if len(sets) > 1 else sets[0] if sets else NOBODY

    def unlisted(self, reference: str) -> frozenset[int]:
        """The numbers of a dimension's codes that somebody holds without their being approved."""
        return self._store.index.unlisted(*split(reference))

    def missing(self, reference: str) -> PersonSet:
        """The persons with a row that has no value in the column."""
        if reference in self._differences:
            return self._leaf(Missing(column=reference))
        table, name = split(reference)
        role = self._catalogue.known_table(table).known_column(name).role
        if role is Role.dimension:
            return self.code(reference, None)
        if role is Role.measure and table not in self._firsts and self._store.facts.table(table).measure(name).missing == 0:
            return NOBODY
        return self._leaf(Missing(column=reference))

    def true(self, leaf: Leaf) -> PersonSet:
        """The persons with a row for which the comparison holds."""
        if isinstance(leaf, Missing):
            return self.missing(leaf.column)
        if isinstance(leaf, In):
            table, name = split(leaf.column)
            numbers, unlisted = numbers_of(self._catalogue.known_table(table).known_column(name), leaf.codes), self.unlisted(leaf.column)
            return self.codes(leaf.column, [number for number in numbers if number >= 0 or number in unlisted])
        return self._leaf(leaf)

    def rows(self, table: str, terms: Sequence[Predicate]) -> Mapping[int, PersonSet]:
        """The persons with rows of a table for which all of these hold, by the binary digits of how many rows each has."""

        def ask() -> Mapping[int, PersonSet]:
            conditions = self._conditions()
            where = " AND ".join(conditions.sql(term) for term in terms)
            sql = f"SELECT t0.{PERSON} AS p FROM {conditions.dialect.table(table)} t0{f' WHERE {where}' if where else ''}"  # noqa: S608
            return digits_of(self._runner.batches(sql, conditions.parameters))

        return self._store.kept.get(("rows", table, *(term.digest() for term in terms)), ask)

    def categories(self, key: AxisKey) -> Mapping[int, PersonSet]:
        """The persons of every category of an axis that is not empty, *outside* included."""
        reference = key.axis.column
        if key.by_code:
            codes: dict[int, list[int | None]] = {}
            for code, category in key.categories.items():
                if code == OTHER and key.names_unlisted:
                    # The set of all of them holds persons of the named ones as well.
                    codes.setdefault(category, []).extend(self.unlisted(reference) - key.categories.keys())
                elif code is None or code >= OTHER or code in self.unlisted(reference):
                    codes.setdefault(category, []).append(code)
            sets = {category: self.codes(reference, held) for category, held in codes.items()}
            return {category: who for category, who in sets.items() if who}
        return self._store.kept.get(("axis", key.axis, *self._events_of(*self._tables_of(reference))), lambda: self._binned(key))

    def fine_bins(self, reference: str, borders: tuple[float, ...]) -> Mapping[int, PersonSet]:
        """The persons with a value in each fine bin of a measure."""
        of = self._events_of(*self._tables_of(reference))
        return self._store.kept.get(("bins", reference, borders, *of), lambda: self._fine(reference, borders))

    def _binned(self, key: AxisKey) -> Mapping[int, PersonSet]:
        sets = self._grouped(key.axis.column, lambda conditions, column: key.digit(column, conditions.dialect))
        return {key.category(digit): who for digit, who in sets.items()}

    def _fine(self, reference: str, borders: tuple[float, ...]) -> Mapping[int, PersonSet]:
        return self._grouped(reference, lambda conditions, column: fine_bin(borders, column, conditions), " WHERE {} IS NOT NULL")

    def _grouped(self, reference: str, number: Callable[[Conditions, str], str], where: str = "") -> Mapping[int, PersonSet]:
        """The persons with a row, by a number computed from a column."""
        conditions = self._conditions()
        column = conditions.binned(reference)
        made = f"SELECT {number(conditions, column)} AS k, t0.{PERSON} AS p"
        sql = f"{made} FROM {relation(split(reference)[0], self._firsts, conditions)} t0{where.format(column)}"
        return sets_of(self._runner.batches(self._runner.dialect.distinct(sql), conditions.parameters))

    def _leaf(self, leaf: Leaf) -> PersonSet:
        tables = self._tables_of(leaf.column)

        def ask() -> PersonSet:
            conditions = Conditions(
                self._catalogue, self._runner.dialect, lambda table: f"t{tables.index(table)}", differences=self._differences
            )
            first, *more = (f"{relation(table, self._firsts, conditions)} t{place}" for place, table in enumerate(tables))
            source = " ".join([f"FROM {first}", *(f"JOIN {other} ON t1.{PERSON} = t0.{PERSON}" for other in more)])
            sql = f"SELECT t0.{PERSON} AS p {source} WHERE {conditions.sql(leaf)}"
            return persons_of(self._runner.batches(self._runner.dialect.distinct(sql), conditions.parameters))

        # The name of a difference is the question's own.
        return self._store.kept.one(("leaf", leaf.digest(), self._differences.get(leaf.column), *self._events_of(*tables)), ask)

    def _tables_of(self, reference: str) -> list[str]:
        difference = self._differences.get(reference)
        read = (reference,) if difference is None else (difference.since, difference.until)
        return list(dict.fromkeys(split(column)[0] for column in read))

    def _events_of(self, *tables: str) -> tuple[str, ...]:
        """The names of the first events that tables are: others may stand for those by which a question calls its tables."""
        return tuple(first.name for table in tables if (first := self._firsts.get(table)) is not None)

    def _conditions(self) -> Conditions:
        return Conditions(self._catalogue, self._runner.dialect, lambda _: "t0")


def holding(predicate: Predicate, universe: PersonSet, sets: LeafSets) -> PersonSet:
    """The persons of ``universe`` for whom a predicate is true. Its tables have one row per person."""
    return _those(predicate, True, universe, sets)


def _those(predicate: Predicate, truth: bool, universe: PersonSet, sets: LeafSets) -> PersonSet:
    """The persons for whom it is true, or those for whom it is false. For all others it is neither."""
    if isinstance(predicate, Not):
        return _those(predicate.term, not truth, universe, sets)
    if isinstance(predicate, AllOf | AnyOf):
        parts = [_those(term, truth, universe, sets) for term in predicate.terms]
        # AND is true where each term is true, and false where one term is false. OR is the reverse.
        every = isinstance(predicate, AllOf) is truth
        return reduce(PersonSet.intersection, parts) if every else PersonSet.union(*parts)
    true = sets.true(predicate) & universe
    if truth:
        return true
    return universe - true if isinstance(predicate, Missing) else universe - true - sets.missing(predicate.column)


def allowed_codes(predicates: list[Predicate], column: Column, unlisted: frozenset[int]) -> list[int | None]:
    """The codes of a dimension for which all predicates over it are true, as the store's numbers; None, missing, may be among them.

    The codes that are not approved are -1, all together, unless a predicate names one of them: then each of ``unlisted`` is by itself.
    """
    numbers = {number for predicate in predicates for leaf in leaves(predicate) if isinstance(leaf, In)
               for number in numbers_of(column, leaf.codes)}  # fmt: skip
    others = sorted(unlisted) if any(number < OTHER for number in numbers) else [OTHER]
    codes: list[int | None] = [*dict.fromkeys(code_numbers(column).values()), *others, None]
    for predicate in predicates:
        true = _codes(predicate, column, frozenset(codes))[0]
        codes = [code for code in codes if code in true]
    return codes


def _codes(predicate: Predicate, column: Column, every: Codes) -> tuple[Codes, Codes]:
    """The codes for which a predicate is true, and those for which it is false."""
    match predicate:
        case Not():
            true, false = _codes(predicate.term, column, every)
            return false, true
        case AllOf() | AnyOf():
            parts = [_codes(term, column, every) for term in predicate.terms]
            trues, falses = zip(*parts, strict=True)
            if isinstance(predicate, AllOf):
                return frozenset.intersection(*trues), frozenset.union(*falses)
            return frozenset.union(*trues), frozenset.intersection(*falses)
        case Missing():
            return frozenset({None}), every - {None}
        case In():
            true = frozenset(numbers_of(column, predicate.codes)) & every
            return true, every - true - {None}
        case _:
            raise TypeError(f"a dimension has no {predicate.op}")
