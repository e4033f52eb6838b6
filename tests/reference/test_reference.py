"""The reference itself: it must find what it is there to find."""

from random import Random

import pytest

from reference.hospital import Hospital
from reference.isolation import combined, isolated
from reference.question import asked
from reference.sums import Persons
from reference.table import verdict_on
from reference.worlds import World, random_world
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.question.predicates import AllOf, In, Range
from twinpane_broker.release.release import Release, Row


def crowd(*spans: tuple[int, int]) -> frozenset[int]:
    return frozenset(person for start, end in spans for person in range(start, end))


@pytest.mark.parametrize(
    "sets",
    [
        [crowd((0, 9))],
        [crowd((0, 100)), crowd((0, 99))],
        [crowd((0, 100)), crowd((1, 101))],
        [crowd((0, 50)), crowd((50, 99)), crowd((0, 100))],
        [crowd((0, 50)), crowd((50, 100)), crowd((0, 95))],
        # The general tracker: C or T, C or not T, everybody; C is person 0.
        [crowd((0, 50)), crowd((0, 1), (50, 100)), crowd((0, 100))],
        [crowd((0, 60)), crowd((40, 95)), crowd((40, 60)), crowd((0, 100))],
        [crowd((0, 60)), crowd((40, 100)), crowd((40, 58)), crowd((0, 100))],
    ],
    ids=["alone", "nested", "near", "a sum with too many", "a sum with too few", "tracker", "a union", "an intersection"],
)
def test_persons_who_stand_alone_are_found(sets: list[frozenset[int]]) -> None:
    """Each of the ways."""
    assert isolated(sets, 10)


def test_crowds_are_not_called_alone() -> None:
    """Ten persons left over are enough, and so is nobody."""
    assert not isolated([crowd((0, 100)), crowd((0, 90)), crowd((0, 100))], 10)
    assert not isolated([crowd((0, 50)), crowd((50, 100)), crowd((0, 100))], 10)
    assert not isolated([crowd((0, 60)), crowd((40, 100)), crowd((0, 100))], 10)
    assert not isolated([crowd((0, 60)), crowd((40, 100)), crowd((40, 60)), crowd((0, 100))], 10)


def test_nobody_is_alone_beside_a_union_no_reader_can_compute() -> None:
    """Nobody stands alone beside a union that no reader can compute.

    Five are in neither; but how many the two sets share was not released.
    """
    assert not isolated([crowd((0, 60)), crowd((40, 95)), crowd((0, 100))], 10)


@pytest.mark.parametrize("left_out", [1, 9, 10])
def test_a_few_of_many_sets_are_found(left_out: int) -> None:
    """A whole less three parts is the number of those whom these leave out, however many other sets there are."""
    random = Random(1)
    others = [frozenset(random.sample(range(320), 120)) for _ in range(20)]
    sets = [crowd((0, 300 + left_out)), crowd((0, 100)), crowd((100, 200)), crowd((200, 300)), *others]
    assert combined(sets, 10) == [f"{left_out} persons less 0 follow from released sets together"] * (left_out < 10)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Plan, Release]:
    world = random_world(Random(5), 300)
    measures = (measure_of("count"), measure_of("mean", column="person.age"))
    plan = Plan(table="person", group_by=(Group(column="person.region"),), measures=measures)
    release = Hospital(tmp_path_factory.mktemp("site"), world.catalogue, world.tables, world.rules).run(plan)
    assert isinstance(release, Release)
    return world, plan, release


def faults(world: World, plan: Plan, release: Release) -> list[str]:
    return verdict_on(release, asked(plan, world.catalogue, world.rules, world.tables)).faults


def test_an_honest_answer_has_no_faults(answered: tuple[World, Plan, Release]) -> None:
    """The broker's own."""
    assert not faults(*answered)


def test_a_wrong_number_is_found(answered: tuple[World, Plan, Release]) -> None:
    """One person more, a digit more, a total that is not rounded."""
    world, plan, release = answered
    at = next(i for i, row in enumerate(release.rows) if row.persons and row.values[1].value is not None)
    row = release.rows[at]
    for wrong in (
        row.model_copy(update={"persons": row.persons + 1}),
        row.model_copy(update={"values": (row.values[0].model_copy(update={"value": row.values[0].value + 1}), row.values[1])}),
        row.model_copy(update={"values": (row.values[0], row.values[1].model_copy(update={"value": row.values[1].value + 0.0123}))}),
    ):
        assert faults(world, plan, release.model_copy(update={"rows": (*release.rows[:at], wrong, *release.rows[at + 1 :])}))
    assert faults(world, plan, release.model_copy(update={"persons": release.persons + 1}))


# ---------------------------------------------------------------- marks


def marked(told: Release | Row) -> Release | Row:
    """The same, but for the marks: all of them on where they were off, and off where they were on."""
    forged = {"about": not told.about}
    if isinstance(told, Row):
        forged["values"] = tuple(v if v.suppressed else v.model_copy(update={"about": not told.about}) for v in told.values)
    return told.model_copy(update=forged)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Plan, Release, list[Persons]]:
    """Smokers by sex, and then again in words that leave out nobody: a table of stand-ins, and the sets that were known before it."""
    world = random_world(Random(5), 300)
    site = Hospital(tmp_path_factory.mktemp("site"), world.catalogue, world.tables, world.rules)
    group = (Group(column="person.sex"),)
    smokers = In(column="person.smoker", codes=(True,))
    first = Plan(table="person", where=smokers, group_by=group, measures=(measure_of("persons"),))
    again = AllOf(terms=(smokers, Range(column="person.age", low=0)))
    plan = Plan(table="person", where=again, group_by=group, measures=(measure_of("persons"), measure_of("count")))
    known = verdict_on(site.run(first), asked(first, world.catalogue, world.rules, world.tables)).known
    release = site.run(plan)
    assert isinstance(release, Release)
    assert release.about
    return world, plan, release, known


def faults_beside(world: World, plan: Plan, release: Release, known: list[Persons]) -> list[str]:
    return verdict_on(release, asked(plan, world.catalogue, world.rules, world.tables), known).faults


def test_an_honest_table_of_stand_ins_has_no_faults(beside: tuple[World, Plan, Release, list[Persons]]) -> None:
    """Beside the sets that were told before it; without these the marks would be lies."""
    world, plan, release, known = beside
    assert not faults_beside(world, plan, release, known)
    assert faults_beside(world, plan, release, [])


def test_a_mark_that_is_missing_is_found(beside: tuple[World, Plan, Release, list[Persons]]) -> None:
    """Of a row, of a row without its numbers, of a number alone, and of each together with the others."""
    world, plan, release, known = beside
    at = next(i for i, row in enumerate(release.rows) if row.persons)
    row = release.rows[at]
    for wrong in (
        marked(row),
        row.model_copy(update={"about": False}),
        row.model_copy(update={"values": (row.values[0].model_copy(update={"about": False}), row.values[1])}),
        row.model_copy(update={"values": (row.values[0], row.values[1].model_copy(update={"about": False}))}),
    ):
        assert faults_beside(world, plan, with_row(release, at, wrong), known)


def test_a_mark_too_many_is_found(answered: tuple[World, Plan, Release]) -> None:
    """Of the question, of a row, of a number, of a number that is hidden."""
    world, plan, release = answered
    at = next(i for i, row in enumerate(release.rows) if row.persons and row.values[1].value is not None)
    row = release.rows[at]
    assert faults(world, plan, marked(release))
    for wrong in (
        marked(row),
        row.model_copy(update={"about": True}),
        row.model_copy(update={"values": (row.values[0].model_copy(update={"about": True}), row.values[1])}),
        row.model_copy(update={"values": (row.values[0], Value(about=True))}),
        row.model_copy(update={"persons": None, "about": True, "values": (Value(), Value())}),
    ):
        assert faults(world, plan, with_row(release, at, wrong))


def test_a_number_of_its_own_under_a_mark_is_found(beside: tuple[World, Plan, Release, list[Persons]]) -> None:
    """A marked number that is no earlier set's, by a base more or less."""
    world, plan, release, known = beside
    at = next(i for i, row in enumerate(release.rows) if row.persons)
    row = release.rows[at]
    for more in (-world.rules.base, world.rules.base):
        persons = row.persons + more
        wrong = row.model_copy(update={"persons": persons, "values": (Value(value=persons, about=True),) * 2})
        assert faults_beside(world, plan, with_row(release, at, wrong), known)
        assert faults_beside(world, plan, release.model_copy(update={"persons": release.persons + more}), known)


def with_row(release: Release, at: int, row: Row) -> Release:
    return release.model_copy(update={"rows": (*release.rows[:at], row, *release.rows[at + 1 :])})


def test_a_cell_that_should_be_hidden_is_found() -> None:
    """A small cell that shows its number is one fault at least."""
    world = random_world(Random(5), 300)
    small = world.tables["person"].head(5)
    plan = Plan(table="person", measures=(measure_of("count"),))
    question = asked(plan, world.catalogue, world.rules, {**world.tables, "person": small})
    release = Release(
        id="0" * 32, site="north", plan_hash=plan.hash, snapshot="2026-10", policy="own/0", rules=(), persons=5,
        columns=({"name": "count", "kind": "count"},), rows=({"persons": 5, "values": (Value(value=5),)},),
    )  # fmt: skip
    assert len(verdict_on(release, question).faults) >= 2
