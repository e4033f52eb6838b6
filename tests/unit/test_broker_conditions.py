"""Conditions by themselves: what singles out a few is refused whatever else is asked, and a code that nearly all hold is not told."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings

from twinpane_broker.catalogue.catalogue import Catalogue, Code
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.class_conditions import tells_of_class
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.check.secret_conditions import is_secret
from twinpane_broker.disclosure.conditions import known_conditions_are_safe, published
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.evidence.evidence import Condition, Evidence
from twinpane_broker.question.normal_form import denied, plain, terms_of, ways
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Not, Predicate, Range
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.sql import parse_sql
from unit.broker_world import CATALOGUE, TEN_FIVE, World, bound_to, one_row_each, people, some, visits
from unit.measure_slowly import holds, rows_of
from unit.test_broker_measure import CATALOGUE as SMALL
from unit.test_broker_measure import Small, plans, small, tables

COUNT = "select count(*) from person where "


def withheld(answer: Release | Refusal) -> bool:
    return isinstance(answer, Refusal) and answer.code is RefusalCode.withheld


PERSON = CATALOGUE.known_table("person")
RECOGNISED = tuple(c.model_copy(update={"sensitive": c.name not in ("sex", "race", "age")}) for c in PERSON.columns)
OPEN = CATALOGUE.model_copy(update={"tables": (PERSON.model_copy(update={"columns": RECOGNISED}), *CATALOGUE.tables[1:])})
"""Sex, race and age are known to anybody."""


def judged(where: str, population: int, *sets: PersonSet, ways: tuple[int, ...] = (), select: str = "") -> bool:
    """Whether known conditions with these persons are safe in a question of so many persons."""
    bound = bound_to(f"select smoker, count(*) from person where {where} group by smoker" if select else COUNT + where, OPEN)

    def measured(known: ResolvedPlan) -> Evidence:
        conditions = tuple(Condition(term, who) for term, who in zip(terms_of(known.plan.where), sets, strict=True))
        who = PersonSet.intersection(some(population), *sets)
        return Evidence(some(population), who, {(): one_row_each(who)}, conditions, ways)

    return known_conditions_are_safe(bound, measured, TEN_FIVE)


# ---------------------------------------------------------------- plain form

F, A, B, OLD, YOUNG = (
    In(column="person.sex", codes=("F",)), In(column="person.race", codes=("a",)), In(column="person.race", codes=("b",)),
    Range(column="person.age", low=60), Range(column="person.age", high=30),
)  # fmt: skip


def test_not_goes_down_to_single_comparisons() -> None:
    """A condition cannot hide under NOT, twice NOT, or AND in AND."""
    assert plain(Not(term=Not(term=F))) == F
    assert plain(Not(term=AnyOf(terms=(F, OLD)))) == AllOf(terms=(Not(term=F), Not(term=OLD)))
    assert plain(Not(term=AllOf(terms=(F, Not(term=OLD))))) == AnyOf(terms=(Not(term=F), OLD))
    assert terms_of(AllOf(terms=(F, AllOf(terms=(OLD, Not(term=AnyOf(terms=(A, F)))))))) == (F, OLD, Not(term=A), Not(term=F))
    assert terms_of(AllOf(terms=(F, F))) == (F,)
    assert terms_of(None) == ()


def test_codes_of_one_column_in_or_are_one_set() -> None:
    """Writing a list of codes as OR makes no other condition of it."""
    assert plain(AnyOf(terms=(A, B))) == In(column="person.race", codes=("a", "b"))
    assert plain(AnyOf(terms=(A, AnyOf(terms=(F, B))))) == AnyOf(terms=(In(column="person.race", codes=("a", "b")), F))


def test_rewriting_a_question_keeps_its_conditions() -> None:
    """However a question is written, its conditions are the same.

    It may be a list of cases, have a case that another contains, or nest OR and AND.
    """
    both = AllOf(terms=(A, F))
    for said in (both, AnyOf(terms=(both, AllOf(terms=(A, F, OLD)))), AllOf(terms=(A, AnyOf(terms=(A, OLD)), F))):
        assert set(terms_of(said)) == {A, F}
    cases = AnyOf(terms=(AllOf(terms=(A, F, YOUNG)), AllOf(terms=(A, F, OLD))))
    assert set(terms_of(cases)) == {A, F, AnyOf(terms=(YOUNG, OLD))}
    split = AnyOf(terms=(AllOf(terms=(F, Not(term=A))), AllOf(terms=(F, Not(term=OLD)))))
    assert set(terms_of(split)) == {F, AnyOf(terms=(Not(term=A), Not(term=OLD)))}


def test_the_ways_of_ors_are_one_term_of_each_of_some() -> None:
    """What an AND of ORs says of persons is what some of its terms say together, however they were taken apart."""
    terms = terms_of(AnyOf(terms=(F, AllOf(terms=(A, OLD)))))
    assert {frozenset(term.terms) for term in terms} == {frozenset({F, A}), frozenset({F, OLD})}
    assert {frozenset(way) for way in ways(terms)} == {frozenset(way) for way in ((F,), (A,), (OLD,), (F, OLD), (F, A), (A, OLD))}
    assert ways((F, Not(term=A))) == ()
    assert denied(AnyOf(terms=(Not(term=F), OLD, Not(term=A)))) == (F, A)


def test_what_the_catalogue_says_of_a_condition_is_a_lower_bound() -> None:
    """Shares of codes add up; of AND and OR it is what must hold however the parts overlap; of ranges it says nothing."""
    bound = bound_to("select count(*) from person")
    assert published(In(column="person.race", codes=("a", "b")), bound) == pytest.approx(0.66)
    assert published(Not(term=A), bound) == pytest.approx(1 - 0.33 - 0.1)
    assert published(AnyOf(terms=(F, A)), bound) == pytest.approx(0.5)
    assert published(AllOf(terms=(F, In(column="person.race", codes=("a", "b")))), bound) == pytest.approx(0.16)
    assert published(OLD, bound) == published(Not(term=OLD), bound) == 0


# ---------------------------------------------------------------- a few, left out or held


def test_a_condition_that_leaves_out_a_few_is_refused() -> None:
    """The condition leaves out one person. That makes no difference in this question, but would in another."""
    all_but_one = some(999, 1)
    assert not judged("sex = 'F' and age < 80", 1000, some(500, 400), all_but_one)
    assert not judged("sex = 'F' and age < 80", 1000, some(500), all_but_one)
    assert judged("sex = 'F' and age < 80", 1000, some(500), some(990, 10))
    assert judged("sex = 'F' and age < 80", 1000, some(500), some(1000))


def test_a_part_that_holds_for_a_few_is_always_refused() -> None:
    """A part that holds for a few is refused, whatever else is asked.

    F, or the one person: F alone where that person is F. A part that nobody or everybody is in changes nothing.
    """
    question = "sex = 'F' or age >= 80"
    assert not judged(question, 1000, some(500), ways=(500, 1))
    assert not judged(question, 1000, some(500), ways=(500, 991))
    assert judged(question, 1000, some(500), ways=(500, 10))
    assert judged(question, 1000, some(500), ways=(500, 0))


def test_conditions_that_single_out_together_are_refused() -> None:
    """Race a leaves hundreds out, and so does age. Within race a, age leaves out one person, whose smoking must not decide."""
    race, age = some(300), some(800, 1)
    assert not judged("race = 'a' and age < 80 and smoker = true", 1000, race, age)
    assert not judged("race = 'a' and age < 80", 1000, race, age, select="smoker")
    # Without a third there is nothing that the refusal could tell of that one; the memory compares both.
    assert judged("race = 'a' and age < 80", 1000, race, age)


HOWEVER = [
    *(f"race = 'a' and smoker = true and {rest}"
      for rest in ("not (race = 'a' and age >= 90)", "(race <> 'a' or age < 90)", "age < 90", "not age >= 90")),
    "(race = 'a' and smoker = true and age < 50) or (race = 'a' and smoker = true and age >= 50 and age < 90)",
]  # fmt: skip


@pytest.mark.slow
def test_no_way_of_writing_not_tells_who_smokes(tmp_path: Path) -> None:
    """A denial does not tell who smokes, however NOT is written.

    As one NOT, as an OR, as the other side of a range, as cases: where the one person smokes it has the same answer as where not. Where
    everybody knows the age it is refused.
    """

    def person(smokes: bool) -> pd.DataFrame:
        return people(
            age=lambda i: 92 if i == 0 or (i % 3 and i % 50 == 2) else 20 + i % 60, smoker=lambda i: smokes if i == 0 else i % 5 == 1
        )

    for place, rest in enumerate(HOWEVER):
        answers = []
        for smokes in (True, False):
            folder = tmp_path / f"{place} {smokes}"
            folder.mkdir()
            world = World(folder, person=person(smokes))
            first, second = (world.ask(COUNT + where) for where in ("race = 'a' and smoker = true", rest))
            assert isinstance(first, Release)
            answers.append((second.about, second.persons == first.persons) if isinstance(second, Release) else second.code)
            (folder / "known").mkdir()
            assert withheld(World(folder / "known", catalogue=OPEN, person=person(smokes)).ask(COUNT + rest)), rest
        assert answers[0] == answers[1], rest


@pytest.mark.parametrize("smokes", [True, False])
def test_a_denial_of_an_or_does_not_tell_who_smokes(tmp_path: Path, smokes: bool) -> None:
    """All who smoke, and all who smoke or are the one person."""
    person = people(
        age=lambda i: 92 if i == 0 or (i % 3 and i % 50 == 2) else 20 + i % 60, smoker=lambda i: smokes if i == 0 else i % 5 == 1
    )
    world = World(tmp_path, person=person)
    assert isinstance(world.ask(COUNT + "smoker = true"), Release)
    assert withheld(world.ask(COUNT + "smoker = true or (race = 'a' and age >= 90)"))
    assert withheld(world.ask(COUNT + "(smoker = true or race = 'a') and (smoker = true or age >= 90)"))


# ---------------------------------------------------------------- classes


def usual_smokers(share: float) -> Catalogue:
    """The catalogue says that so many smoke."""
    person = CATALOGUE.table("person")
    listed = (Code(value=True, share=share), Code(value=False, share=round(1 - share, 2)))
    columns = tuple(c.model_copy(update={"codes": listed}) if c.name == "smoker" else c for c in person.columns)
    return CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})


SAME = [
    "smoker = true", "not smoker = false", "not not smoker = true", "(smoker = true or smoker = true)", "smoker in (true)",
    "(smoker = true or age >= 75)", "smoker = true and age >= 20",
    "((smoker = true and age < 50) or (smoker = true and age >= 50))",
]  # fmt: skip


def test_a_code_nearly_all_of_a_group_hold_is_no_condition(tmp_path: Path) -> None:
    """All of race a smoke, and two counts would disclose it in any wording. Of race b half smoke."""
    world = World(tmp_path, person=people(smoker=lambda i: i % 3 == 0 or i % 2 == 0))
    for said in SAME:
        assert withheld(world.ask(COUNT + f"race = 'a' and {said}")), said
    assert isinstance(world.ask(COUNT + "race = 'b' and smoker = true"), Release)


def test_a_code_of_nearly_everybody_is_no_news_of_a_group(tmp_path: Path) -> None:
    """The catalogue says 95 %; of a group it is told where enough do not hold it, and not where all do."""
    said = World(tmp_path, catalogue=usual_smokers(0.95), person=people(smoker=lambda i: i % 20 != 1))
    assert isinstance(said.ask(COUNT + "race = 'a' and smoker = true"), Release)
    assert isinstance(said.ask(COUNT + "smoker = true"), Release)
    (tmp_path / "all").mkdir()
    everybody = World(tmp_path / "all", catalogue=usual_smokers(0.95), person=people(smoker=lambda i: i % 3 == 0 or i % 9 != 1))
    assert withheld(everybody.ask(COUNT + "race = 'a' and smoker = true"))


def test_one_of_several_codes_is_a_class_where_one_of_them_is(tmp_path: Path) -> None:
    """All of race a were on one of two wards, half on each: no class. All were on the first: adding the second hides nothing."""
    joined = "select count(*) from visit v join person p on v.person_id = p.person_id where race = 'a' and ward in ('icu', 'er')"
    for name, on_icu, told in (("halves", lambda i: i % 2 == 0, True), ("one", lambda i: True, False)):
        wards = [("icu" if on_icu(i) else "er") if i % 3 == 0 else ("day", "er")[i % 2] for i in range(1000)]
        (tmp_path / name).mkdir()
        world = World(tmp_path / name, visit=visits([{"person_id": i, "ward": ward} for i, ward in enumerate(wards)]))
        assert isinstance(world.ask(joined), Release) is told, name


def test_nearly_all_may_share_a_code_that_is_not_sensitive(tmp_path: Path) -> None:
    """Nearly all may hold one code of a dimension that is not sensitive. A hospital's men's ward holds men."""
    person = CATALOGUE.table("person")
    columns = tuple(c.model_copy(update={"sensitive": False}) if c.name == "smoker" else c for c in person.columns)
    catalogue = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})
    world = World(tmp_path, catalogue=catalogue, person=people(smoker=lambda i: i % 3 == 0 or i % 2 == 0))
    assert isinstance(world.ask(COUNT + "race = 'a' and smoker = true"), Release)


@pytest.mark.slow
def test_a_condition_on_events_discloses_a_class_too(tmp_path: Path) -> None:
    """All of race a were on one ward, with other visits elsewhere."""
    rows = [{"person_id": i, "ward": ward} for i in range(1000) for ward in (("icu", "day") if i % 3 == 0 or i % 2 else ("er", "day"))]
    world = World(tmp_path, visit=visits(rows))
    joined = "select count(distinct v.person_id) from visit v join person p on v.person_id = p.person_id where "
    assert withheld(world.ask(joined + "race = 'a' and ward = 'icu'"))
    assert isinstance(world.ask(joined + "race = 'b' and ward = 'icu'"), Release)


def with_routine_wards(*wards: str) -> Catalogue:
    """The catalogue where to have been on one of these wards is as routine as a blood test."""
    visit = CATALOGUE.known_table("visit")
    ward = visit.known_column("ward")
    made = ward.model_copy(update={"codes": tuple(code.model_copy(update={"routine": code.value in wards}) for code in ward.codes)})
    columns = tuple(made if column.name == "ward" else column for column in visit.columns)
    tables = (visit.model_copy(update={"columns": columns}) if table.name == "visit" else table for table in CATALOGUE.tables)
    return CATALOGUE.model_copy(update={"tables": tuple(tables)})


OF_RACE_A = "from person p join visit v on v.person_id = p.person_id where race = 'a' and "
CHOSEN = "select count(*) from person where race = 'a' and person_id "


@pytest.mark.slow
def test_nearly_all_of_a_group_may_have_had_a_routine_test(tmp_path: Path) -> None:
    """That nearly all of a group had a routine test discloses no class, however a question asks for it. What came out, and that they had
    none, or it or something else, still does."""
    rows = [{"person_id": i, "ward": ward} for i in range(1000) for ward in ("icu", "day") if ward == "day" or i % 60]
    world = World(tmp_path, catalogue=with_routine_wards("icu"), visit=visits(rows))
    assert isinstance(world.ask(f"select avg(lactate) {OF_RACE_A} ward = 'icu'"), Release)
    assert isinstance(world.ask(f"{CHOSEN} in (select person_id from visit where ward = 'icu')"), Release)
    with_first = "with f as (select person_id, min(day) as day from visit where ward = 'icu' group by person_id) "
    assert isinstance(
        world.ask(f"{with_first} select count(*) from person p join f on f.person_id = p.person_id where race = 'a'"), Release
    )
    for place, other in enumerate((CATALOGUE, with_routine_wards("er", "day"))):
        (tmp_path / str(place)).mkdir()
        strict = World(tmp_path / str(place), catalogue=other, visit=visits(rows))
        assert withheld(strict.ask(f"select avg(lactate) {OF_RACE_A} ward = 'icu'"))
        assert withheld(strict.ask(f"{CHOSEN} in (select person_id from visit where ward = 'icu')"))


@pytest.mark.slow
def test_a_routine_test_s_result_or_absence_is_still_a_class(tmp_path: Path) -> None:
    """That nearly all of a group had no routine test, or two of them, tells of its persons."""
    rows = [{"person_id": i, "ward": ward} for i in range(1000) for ward in ("icu", "day", "day") if ward == "day" or i % 30 == 1]
    world = World(tmp_path, catalogue=with_routine_wards("icu", "day"), visit=visits(rows))
    assert isinstance(world.ask(f"{CHOSEN} in (select person_id from visit where ward = 'day')"), Release)
    assert withheld(world.ask(f"{CHOSEN} in (select person_id from visit where ward = 'day' group by person_id having count(*) >= 2)"))
    rows = [{"person_id": i, "ward": "icu" if i % 30 == 3 or i % 3 else "er"} for i in range(1000)]
    (other := tmp_path / "other").mkdir()
    world = World(other, catalogue=with_routine_wards("icu"), visit=visits(rows))
    assert withheld(world.ask(f"{CHOSEN} not in (select person_id from visit where ward = 'icu')"))


def test_a_list_with_a_code_that_is_not_routine_is_judged() -> None:
    """A routine test or something else is no routine test."""
    bound = check(parse_sql(f"select count(*) {OF_RACE_A} ward = 'icu'", catalogue := with_routine_wards("icu")), catalogue)
    assert not tells_of_class(In(column="visit.ward", codes=("icu",)), bound)
    assert tells_of_class(In(column="visit.ward", codes=("icu", "er")), bound)
    assert tells_of_class(Not(term=In(column="visit.ward", codes=("icu",))), bound)


ORDINARY = [
    "sex = 'F'", "sex = 'F' and smoker = true", "race in ('a', 'b') and age >= 40 and age < 65", "not race = 'a' and smoker = false",
    "(smoker = true or age >= 60) and sex = 'M'", "race in ('a', 'b', 'c') and sex = 'F'", "smoker is not null and sex = 'F'",
]  # fmt: skip


@pytest.mark.slow
def test_ordinary_conditions_are_answered(tmp_path: Path) -> None:
    """Refusing too much is a defect too."""
    for place, where in enumerate(ORDINARY):
        folder = tmp_path / str(place)
        folder.mkdir()
        answer = World(folder, person=people(smoker=lambda i: i % 7 < 3)).ask(COUNT + where)
        assert isinstance(answer, Release), where
        assert "conditions" in [rule.code for rule in answer.rules]


# ---------------------------------------------------------------- measured


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Small]]:
    made = [small(tmp_path_factory.mktemp(f"seed{seed}"), tables(seed)) for seed in range(2)]
    yield made
    for each in made:
        each.engine.close()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(plan=plans())
def test_conditions_are_measured_exactly(stores: list[Small], plan: Plan) -> None:
    """Each one's persons, what it denies, and the ways of ORs are what looking at every row finds."""
    try:
        bound = check(plan, SMALL)
    except Refused:
        assume(False)
    terms, events = terms_of(bound.plan.where), any(SMALL.home(SMALL.known_table(name)) for name in bound.plan.tables)
    for world in stores:
        seen, rows = world.engine.measure(bound), rows_of(bound, world.tables)

        def those(*parts: Predicate, rows: list = rows) -> set:
            return {row["person"] for row in rows if all(holds(part, row) is True for part in parts)}

        parts = [of.term.terms if isinstance(of.term, AllOf) else (of.term,) for of in seen.conditions]
        assert sum(map(len, parts)) <= len(terms)
        for condition in seen.conditions:
            assert world.keys(condition.who) == those(condition.term)
            inner = condition.term.terms if isinstance(condition.term, AllOf) else (condition.term,)
            assert condition.denied == tuple(
                len(those(part)) for term in inner for part in denied(term) if not events and not is_secret(part, bound)
            )
            assert seen.who <= condition.who
        if sum(map(len, parts)) == len(terms):
            secret = {way: {is_secret(part, bound) for part in way} for way in ways(terms)}
            judged_ways = [way for way, parts in secret.items() if len(parts) == 1 and (parts == {True} or not events)]
            assert seen.ways == tuple(len(those(*way)) for way in judged_ways)
            if bound.plan.table == "person" and not bound.plan.joins:
                assert world.keys(seen.who) == set.intersection(those(), *map(those, terms))
