"""Random plans over the random hospitals: what an attacker with patience might ask, one condition apart from the last question."""

from datetime import date
from random import Random

from twinpane_broker.aggregates.registry import Measure, MeasureKind, measure_of
from twinpane_broker.catalogue.edges import step_of
from twinpane_broker.question.plan import Bin, Group, Join, Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Missing, Not, Predicate, Range, Window

from .rows import column_of
from .worlds import REGIONS, SEXES, TESTS, WARDS, World

SOURCES: tuple[tuple[str, tuple[Join, ...]], ...] = (
    ("person", ()),
    ("person", ()),
    ("person", ()),
    ("visit", ()),
    ("visit", ()),
    ("lab", ()),
    ("visit", (Join(table="person", left="visit.person_id", right="person.person_id"),)),
    ("person", (Join(table="visit", left="person.person_id", right="visit.person_id"),)),
    ("lab", (Join(table="visit", left="lab.visit_id", right="visit.visit_id"),)),
    ("lab", (
        Join(table="person", left="lab.patient", right="person.person_id"),
        Join(table="visit", left="person.person_id", right="visit.person_id"),
    )),
)  # fmt: skip
CODES = {"person.sex": SEXES, "person.region": REGIONS, "person.smoker": (True, False), "visit.ward": WARDS, "lab.test": TESTS}
MEASURES = ("person.age", "person.bmi", "person.balance", "visit.score", "lab.value", "lab.dose")


class Asker:
    """Draws plans from a few conditions again and again, so that questions overlap and nest."""

    def __init__(self, random: Random, world: World) -> None:
        self._random = random
        self._world = world
        self._conditions = [self._leaf(column) for column in (*CODES, *MEASURES, "visit.day") for _ in range(2)]

    def plan(self) -> Plan:
        """A question."""
        random = self._random
        table, joins = random.choice(SOURCES)
        tables = (table, *(join.table for join in joins))
        groups = self._groups(tables)
        return Plan(
            table=table, joins=joins, where=self._where(tables), group_by=groups, measures=self._measures(tables, groups),
            margins=bool(groups) and random.random() < 0.25,
        )  # fmt: skip

    def _leaf(self, column: str) -> Predicate:
        random = self._random
        if column == "visit.day":
            start = date(random.randint(2018, 2020), random.choice((1, 4, 7)), 1)
            return random.choice((Window(column=column, start=start), Window(column=column, start=start, end=date(2021, 1, 1))))
        if column in CODES:
            codes = CODES[column]
            if random.random() < 0.15:
                return Missing(column=column)
            return In(column=column, codes=tuple(random.sample(codes, random.randint(1, max(1, len(codes) - 1)))))
        low, high = column_of(column, self._world.catalogue).bounds
        step = step_of(column_of(column, self._world.catalogue))
        cuts = [low + step * i for i in range(1, int((high - low) / step))]
        one, other = sorted(random.sample(cuts, 2))
        return random.choice((Range(column=column, low=one), Range(column=column, high=other), Range(column=column, low=one, high=other)))

    def _where(self, tables: tuple[str, ...]) -> Predicate | None:
        random = self._random
        usable = [leaf for leaf in self._conditions if leaf.column.partition(".")[0] in tables]
        chosen = random.sample(usable, random.choice((0, 0, 1, 1, 1, 2, 2, 3)))
        terms = [term if random.random() < 0.7 else Not(term=term) for term in chosen]
        if not terms:
            return None
        if len(terms) == 1:
            return terms[0]
        if len(terms) == 3 and random.random() < 0.5:
            return AllOf(terms=(terms[0], AnyOf(terms=tuple(terms[1:]))))
        whole = random.choice((AllOf, AllOf, AnyOf))(terms=tuple(terms))
        return Not(term=whole) if random.random() < 0.15 else whole

    def _groups(self, tables: tuple[str, ...]) -> tuple[Group, ...]:
        random = self._random
        possible = [Group(column=column) for column in CODES if column.partition(".")[0] in tables]
        if "visit" in tables:
            possible.append(Group(column="visit.day", bin=random.choice(tuple(Bin))))
        for column in MEASURES:
            if column.partition(".")[0] in tables:
                possible.append(Group(column=column, width=step_of(column_of(column, self._world.catalogue)) * random.choice((5, 10, 20))))
        return tuple(random.sample(possible, min(len(possible), random.choice((0, 0, 1, 1, 1, 2, 2, 3)))))

    def _measures(self, tables: tuple[str, ...], groups: tuple[Group, ...]) -> tuple[Measure, ...]:
        random = self._random
        columns = [column for column in MEASURES if column.partition(".")[0] in tables]
        made: list[Measure] = []
        for _ in range(random.choice((1, 1, 2, 3))):
            kind = random.choice((*MeasureKind, MeasureKind.count, MeasureKind.persons, MeasureKind.mean))
            match kind:
                case MeasureKind.count | MeasureKind.persons:
                    made.append(measure_of(kind))
                case MeasureKind.share:
                    within = random.sample([group.column for group in groups], random.randint(0, len(groups)))
                    made.append(measure_of(kind, within=tuple(within)))
                case MeasureKind.quantile:
                    made.append(measure_of(kind, column=random.choice(columns), percent=random.choice((5, 10, 25, 50, 75, 90, 95))))
                case MeasureKind.correlation:
                    one, other = random.sample(columns, 2) if len(columns) > 1 else (None, None)
                    if one:
                        made.append(measure_of(kind, column=one, other=other))
                case _:
                    made.append(measure_of(kind, column=random.choice(columns)))
        return tuple(dict.fromkeys(made)) or (measure_of(MeasureKind.count),)
