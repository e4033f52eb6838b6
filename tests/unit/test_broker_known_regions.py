"""A set that is known but for a part: what is known of it adds nothing to what is told of the rest."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, bound_to, people

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import check
from twinpane_broker.disclosure.beside import Beside
from twinpane_broker.disclosure.known_plans import region_plans
from twinpane_broker.disclosure.known_regions import KnownRegions, Part
from twinpane_broker.disclosure.placing import Placing
from twinpane_broker.disclosure.set_names import SetNames
from twinpane_broker.errors import RefusalCode
from twinpane_broker.memory import ADMITTED, AS_FEW, REFUSED, StandIn, Standing
from twinpane_broker.question.cohort import Cohort, Entry, Event, Happened, Step, Times
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Window
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.policy import Rules, load_rules

PERSON, *EVENTS = CATALOGUE.tables
KNOWN = tuple(c.model_copy(update={"sensitive": c.name not in ("sex", "race", "age")}) for c in PERSON.columns)
OPEN = CATALOGUE.model_copy(update={"tables": (PERSON.model_copy(update={"columns": KNOWN}), *EVENTS)})
"""Sex, race and age are known to anybody."""
EXACT = load_rules({"preset": "cms-11", "threshold": 11, "withheld_per_day": 1000})
COUNT = "select count(*) n from person where "


def regions(world: World, sql: str) -> KnownRegions:
    """Those of a question."""
    return KnownRegions(bound_to(sql, world.catalogue), world.engine.measure)


def sizes(world: World, condition: str) -> list[tuple[int, bool]]:
    """Of each region how many persons it has, and whether all of them are in the set whatever is secret."""
    found = regions(world, COUNT + condition).parts(PersonSet(), (), ())
    return sorted((len(part.region), part.is_sure) for part in found)


def asked(world: World, sql: str) -> Release:
    """An answer."""
    answer = world.ask(sql)
    assert isinstance(answer, Release), answer
    return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A thousand persons, of whom 340 are under forty."""
    return World(tmp_path_factory.mktemp("site"), catalogue=OPEN)


def test_a_question_without_or_has_one_region(world: World) -> None:
    """However many conditions it has, and with an OR of secrets alone, or of what is known alone."""
    for condition in ("age < 40 and smoker = true", "smoker = true or weight >= 60", "(age < 40 or sex = 'F') and smoker = true"):
        assert not regions(world, COUNT + condition).are_several


def test_regions_are_apart_by_what_decides_in_each(world: World) -> None:
    """Whoever is known to be in, and those of whom another secret decides each."""
    assert sizes(world, "age < 40 or smoker = true") == [(340, True), (660, False)]
    both = "(age < 40 and smoker = true) or (age >= 40 and weight >= 60)"
    assert sizes(world, both) == [(340, False), (660, False)]
    same = "(age < 40 and smoker = true) or (age >= 60 and smoker = true)"
    assert len(sizes(world, same)) == 1


def test_regions_are_those_of_the_question_however_it_is_put(world: World) -> None:
    """The order of conditions, and of codes, changes none."""
    told = "(race in ('a', 'b') or smoker = true) and (weight >= 60 or age < 40)"
    again = "(age < 40 or weight >= 60) and (smoker = true or race in ('b', 'a'))"
    assert sizes(world, told) == sizes(world, again)
    assert len(sizes(world, told)) == 4


def test_steps_of_a_cohort_have_regions_too(world: World) -> None:
    """Who came in a month, or was somewhere: the one is known, the other is not."""
    came = "person_id in (select person_id from visit where day >= '2020-01-01')"
    ill = "person_id in (select person_id from visit where ward = 'icu')"
    sql = f"{COUNT}({came} or {ill})"
    assert regions(world, sql).are_several
    assert sum(part.is_sure for part in regions(world, sql).parts(PersonSet(), (), ())) == 1
    assert not regions(world, f"{COUNT}{came} and {ill}").are_several
    assert regions(world, f"{COUNT}not ({came} and {ill})").are_several
    one = "person_id in (select person_id from visit where day >= '2020-01-01' or (day < '2019-07-01' and ward = 'icu'))"
    assert regions(world, COUNT + one).are_several
    assert not regions(world, f"{COUNT}{ill}").are_several
    assert not regions(world, f"{COUNT}person_id in (select person_id from visit where day >= '2020-01-01' and ward = 'icu')").are_several


def test_entries_of_a_cohort_and_what_it_leaves_out_have_regions(world: World) -> None:
    """Events are told apart by what is known of them; one of nothing but codes is not, or each cohort without a drug would be a sum."""
    april, ward = Window(column="visit.day", start=date(2020, 4, 1)), In(column="visit.ward", codes=("icu",))
    plan = bound_to(f"{COUNT}age < 90", world.catalogue).plan

    def several(entry: Entry | None, *steps: Step) -> bool:
        asked = check(plan.model_copy(update={"cohort": Cohort(entry=entry, steps=steps)}), world.catalogue)
        return KnownRegions(asked, world.engine.measure).are_several

    came = Event(table="visit", where=april)
    either = Event(table="visit", where=AnyOf(terms=(april, ward)))
    both = Event(table="visit", where=AllOf(terms=(april, ward)))
    of_ward = Event(table="visit", where=ward)
    assert several(Entry(events=(either,)))
    assert several(Entry(events=(came, of_ward)))
    assert not several(Entry(events=(of_ward,)))
    for event, apart in ((either, True), (both, True), (of_ward, False)):
        assert several(Entry(events=(came,)), Step(criteria=(Happened(event=event),), exclude=True)) is apart
    assert several(Entry(events=(came,)), Step(criteria=(Happened(event=either),)))
    # Who has at most so many is whoever has not one more; of two, whoever has but one row has surely not so many.
    for event, times, count, apart in (
        (either, Times.at_most, 0, True), (of_ward, Times.at_most, 0, False), (of_ward, Times.at_most, 1, True),
        (either, Times.exactly, 0, True), (of_ward, Times.exactly, 0, False), (of_ward, Times.exactly, 2, False),
    ):  # fmt: skip
        counted = Happened(event=event, times=times, count=count)
        assert several(Entry(events=(came,)), Step(criteria=(counted,))) is apart
    twice = Happened(event=of_ward, count=2)
    assert several(Entry(events=(came,)), Step(criteria=(twice,), exclude=True))
    assert not several(Entry(events=(came,)), Step(criteria=(twice,)))


def test_regions_end_where_there_are_too_many_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many sets are not looked at: the question is withheld."""
    monkeypatch.setattr("twinpane_broker.disclosure.known_regions.MOST_SPLIT", 1)
    answer = World(tmp_path, catalogue=OPEN).ask(COUNT + "age < 40 or smoker = true")
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.withheld


def test_secret_first_events_alone_have_their_table_of_persons(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of them is known; where they belong to persons of several tables, nothing at all."""
    sql = "select year(d) y, count(*) n from (select person_id, min(day) d from visit where ward = 'icu' group by person_id) f group by y"
    asked = bound_to(sql, world.catalogue)
    assert [known.plan.tables for known, _ in region_plans(asked)] == [("person",)]
    monkeypatch.setattr("twinpane_broker.disclosure.known_plans.home_of", lambda _: None)
    assert region_plans(asked) == ()


def test_too_many_regions_are_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has more is not told as a sum; this follows from what everybody knows."""
    monkeypatch.setattr("twinpane_broker.disclosure.known_regions.MOST", 1)
    answer = World(tmp_path, catalogue=OPEN).ask(COUNT + "age < 40 or smoker = true")
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.withheld


@pytest.mark.parametrize("rules", [TEN_FIVE, EXACT], ids=["rounded", "exact"])
@pytest.mark.parametrize("secret", ["weight >= 50", "age < 40"])
def test_adding_known_persons_does_not_weigh_the_others(tmp_path: Path, rules: Rules, secret: str) -> None:
    """What is shown is what would be told of the part, and the known persons: adding these one by one never turns the part's number.

    Before, the sum was rounded once, so that one of five added persons showed the exact number of smokers.
    """
    shown = set()
    for added in range(40, 45):
        (tmp_path / str(added)).mkdir()
        person = people(
            race=lambda i: "a" if i < 304 else "b", age=lambda i, added=added: 30 if 304 <= i < 304 + added else 60,
            smoker=lambda i: i % 3 == 0, weight=lambda i: 70.0,
        )  # fmt: skip
        made = World(tmp_path / str(added), rules, catalogue=OPEN, person=person)
        sql = f"{COUNT}(race = 'a' or age < 40) and (smoker = true or race <> 'a') and (race = 'a' or {secret})"
        answer = asked(made, sql)
        assert answer.about
        assert answer.persons is not None
        shown.add(answer.persons - added)
    # Rounded, the part's number is one multiple, and what is added moves the sum by less than the base.
    assert shown == {102} if rules is EXACT else any(all(abs(each - part) < 5 for each in shown) for part in (100, 105))


def test_two_such_questions_do_not_tell_of_one_person(tmp_path: Path) -> None:
    """Smokers of a race, and smokers of it but one; each beside other persons who are known. Exact counts look alike whoever smokes."""
    seen = []
    for smokes in (True, False):
        (tmp_path / str(smokes)).mkdir()
        person = people(
            race=lambda i: "a" if i < 300 else "b", age=lambda i: 20 if i == 0 else 30 + i % 60,
            smoker=lambda i, smokes=smokes: smokes if i == 0 else i % 3 == 0,
        )  # fmt: skip
        made = World(tmp_path / str(smokes), EXACT, catalogue=OPEN, person=person)
        asked_of = ("race = 'a'", "race = 'b' and age < 50"), ("race = 'a' and age >= 30", "race = 'b' and age >= 50 and age < 80")
        answers = [made.ask(f"{COUNT}({of} and smoker = true) or ({known})") for of, known in asked_of]
        seen.append(getattr(answers[1], "persons", answers[1].site) if isinstance(answers[1], Release) else answers[1].code)
    assert seen[0] == seen[1]


def test_by_known_groups_each_cell_is_a_sum_of_its_own(world: World) -> None:
    """Cells of sex, beside a question on age or smoking; the catalogue's other columns make no regions of their own."""
    answer = asked(world, "select sex, count(*) n from person where age < 40 or smoker = true group by sex")
    assert answer.about
    assert all(row.about for row in answer.rows if row.persons)
    true = {
        "F": world.engine.measure(bound_to(COUNT + "(age < 40 or smoker = true) and sex = 'F'", world.catalogue)).persons,
        "M": world.engine.measure(bound_to(COUNT + "(age < 40 or smoker = true) and sex = 'M'", world.catalogue)).persons,
    }
    for row in answer.rows:
        if row.persons:
            assert abs(row.persons - true[str(row.key[0].value)]) <= 5


@dataclass(frozen=True)
class Regions:
    """The parts that a test says."""

    found: tuple[Part, ...]

    def parts(self, *_: object) -> tuple[Part, ...]:
        """These, whatever the set."""
        return self.found


def placed(who: PersonSet, *parts: Part, others: Standing = ADMITTED, distance: int = 15) -> Standing:
    """Where a set of these parts stands beside a memory that says ``others`` of all that is in no known region."""
    beside = cast(Beside, SimpleNamespace(distance=lambda _: distance, places=lambda *_: others))
    names = cast(SetNames, SimpleNamespace(of=lambda *_: b"asked", around=lambda *_: frozenset()))
    return Placing(names, beside, None, cast(KnownRegions, Regions(parts)), Counter(TEN_FIVE)).place(who, (), ())


def part(first: int, beyond: int, missing: int = 0, *, sure: bool = False) -> Part:
    """A region of these persons, of whom so many are not in the set."""
    return Part(PersonSet(range(first, beyond - missing)), PersonSet(range(first, beyond)), sure)


def test_a_sum_says_no_more_than_notes_say_of_it() -> None:
    """What is known for sure adds nothing to how far it may be off; what is nearly known, small or a stand-in's does, up to two steps."""
    asked = PersonSet(range(400))
    sure, nearly, small = part(0, 100, sure=True), part(100, 200, 3), part(200, 212, 12)
    told = (((sure,), 1, 400), ((nearly,), 1, 400), ((sure, nearly), 1, 400), ((nearly, small), 2, 390))
    for parts, steps, persons in told:
        who = asked - PersonSet().union(*(one.region - one.who for one in parts))
        standing = placed(who, *parts)
        assert standing.stand_in is not None
        assert (standing.stand_in.steps, standing.stand_in.persons) == (steps, persons)
    stand_in = Standing(False, StandIn(PersonSet(range(300)), 300, b"earlier"))
    assert placed(asked, sure, others=stand_in) == Standing(False, StandIn(asked - PersonSet(range(300, 400)), 400, is_known=True, more=-1))
    assert placed(asked, nearly, small, others=stand_in) is AS_FEW
    assert placed(asked, sure, others=REFUSED) is REFUSED
    assert placed(asked, sure, others=AS_FEW) is AS_FEW


def test_a_few_beside_known_regions_look_like_nobody() -> None:
    """Whether they are none or fourteen: at fifteen, which nobody knows, they are told."""
    for more in (0, 1, 14):
        standing = placed(PersonSet(range(100 + more)), part(0, 100, sure=True), others=REFUSED)
        assert standing.stand_in is not None
        assert (standing.stand_in.persons, standing.stand_in.steps) == (100, 1)
    assert placed(PersonSet(range(115)), part(0, 100, sure=True), others=REFUSED) is REFUSED
    # At the largest distance too what is told is no further off than notes say: eighteen persons of the region, and eighteen others.
    furthest = placed(PersonSet(range(82)) | PersonSet(range(100, 118)), part(0, 100, 18), distance=19)
    assert furthest.stand_in is not None
    assert furthest.stand_in.steps == 2
    assert placed(PersonSet(range(20)), part(0, 10, sure=True)) is AS_FEW
