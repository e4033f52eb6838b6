"""A question's group, of whom everybody may know, is judged by itself: so a refusal tells nothing of what the question asks about."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd
import pytest
from broker_world import CATALOGUE, World, bound_to, people

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.disclosure.known_group import GROUPS, known_groups
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import load_rules

CMS = load_rules({"preset": "cms-11", "threshold": 11, "withheld_per_day": 1000})
K = 11


def known_ages() -> Catalogue:
    """The catalogue of the tests, where ages and sexes are known to anybody."""
    person, *others = CATALOGUE.tables
    columns = tuple(c.model_copy(update={"sensitive": c.name not in ("age", "sex")}) for c in person.columns)
    return CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *others)})


KNOWN = known_ages()
EVERYBODY = PersonSet(range(1000))


def group_of(world: World, sql: str) -> PersonSet:
    """The one group of a question."""
    (group,) = known_groups(bound_to(sql, world.catalogue), world.engine.measure)
    return group


def test_a_group_is_of_the_known_conditions_alone(tmp_path: Path) -> None:
    """Whatever else is asked of it: a sensitive condition, events, rows, values."""
    world = World(tmp_path, catalogue=KNOWN)
    young = who(world, "age < 40")
    assert len(young) == 340
    assert group_of(world, "select count(*) from person where age < 40") == young
    assert group_of(world, "select avg(weight) from person where age < 40 and smoker = true and race = 'a'") == young
    joined = "select count(*) from visit v join person p on v.person_id = p.person_id where p.age < 40 and v.ward = 'icu'"
    assert group_of(world, joined) == young
    by_sex = "select sex, count(*) from person where age < 40 and sex = 'F' group by sex"
    assert group_of(world, by_sex) == who(world, "age < 40 and sex = 'F'")
    assert group_of(world, "select count(*) from person where smoker = true") == EVERYBODY


def test_who_is_left_to_a_secret_is_a_group_too(tmp_path: Path) -> None:
    """Of an OR of age and smoking those who are not young are left to smoking; everybody knows who they are."""
    world = World(tmp_path, catalogue=KNOWN)
    asked = bound_to("select count(*) from person where age < 40 or smoker = true", world.catalogue)
    assert known_groups(asked, world.engine.measure) == (EVERYBODY, EVERYBODY - who(world, "age < 40"))


def who(world: World, condition: str) -> PersonSet:
    """Who fulfils a condition."""
    return world.engine.measure(bound_to(f"select count(*) from person where {condition}", world.catalogue)).who


def band(tmp_path: Path, ill: int) -> list[Release | Refusal]:
    """Three questions about smokers and a fourth, that leave three persons of 95 out, of whom so many smoke."""
    tmp_path.mkdir()
    old = list(range(997, 1000))
    ages = [95 if i in old else 20 + i % 60 for i in range(1000)]
    smokers = [i in old[:ill] if i in old else i % 3 == 0 for i in range(1000)]
    person: pd.DataFrame = people(age=lambda i: ages[i], smoker=lambda i: smokers[i])
    world = World(tmp_path, CMS, KNOWN, person=person)
    conditions = ("", "age < 40 and", "age >= 40 and age < 60 and", "age >= 60 and age < 80 and")
    return [world.ask(f"select count(*) from person where {condition} smoker = true") for condition in conditions]


def test_a_refusal_tells_nothing_of_the_few_who_are_left_out(tmp_path: Path) -> None:
    """The last part is refused whether none, one or all of the three smoke: else a zero told of each of them."""
    for ill in (0, 1, 3):
        *answered, last = band(tmp_path / str(ill), ill)
        assert all(isinstance(answer, Release) for answer in answered)
        assert isinstance(last, Refusal)
        assert last.code == "withheld"


def test_tables_of_two_kinds_of_persons_have_no_group() -> None:
    """Patients and staff, say: who is meant by a person is not one thing."""
    tables = SimpleNamespace(plan=SimpleNamespace(tables=("patient", "staff")), catalogue=SimpleNamespace(home=lambda _table: None))
    tables.table = lambda name: SimpleNamespace(name=name)
    assert known_groups(cast(ResolvedPlan, tables), lambda _bound: pytest.fail("it was asked for")) == ()


def test_rounded_sites_ask_of_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under rounding a sum of many sets hides a few."""
    monkeypatch.setattr("twinpane_broker.broker.known_groups", lambda *_: pytest.fail("it was asked for"))
    assert isinstance(World(tmp_path, catalogue=KNOWN).ask("select count(*) from person where smoker = true"), Release)


def test_a_group_is_kept_only_with_an_answer() -> None:
    """A group of a question that was withheld for another reason completes nothing."""
    memory, whole = InProcessMemory(), PersonSet(range(300))
    *parts, last = (PersonSet(range(start, start + 99)) for start in (0, 99, 198))

    def asked(who: PersonSet, key: str, *, told: bool = True) -> bool:
        with memory.decision(exact=True) as decision:
            said = decision.admits_group(who, GROUPS, K)
            decision.put(key, b"", [], values={GROUPS: [who]} if said and told else {})
        return said

    assert all(asked(who, str(at)) for at, who in enumerate((whole, *parts[:1])))
    assert asked(parts[1], "not told", told=False)
    assert asked(last, "last")
    assert not asked(parts[1], "again")
    assert asked(last, "the same group again")
    assert asked(PersonSet(range(290)), "near the whole, whose number stands in")
