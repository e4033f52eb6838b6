"""The reference itself: it must find what it is there to find."""

from random import Random

import pytest

from reference.hospital import Hospital
from reference.isolation import isolated
from reference.table import asked, verdict_on
from reference.worlds import World, random_world
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.release.release import Release


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
