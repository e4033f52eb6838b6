"""Attacks with finely tuned cohorts: windows moved day by day, counts, ages and steps turned on and off around one person.

Each is performed for real against the whole broker, with exact counts; without the rules each singles out a person at once.
"""

import random
from datetime import date, timedelta
from itertools import pairwise

import pytest
from cohort_world import CATALOGUE, CONDITIONS, DAY0, DRUGS, LABS, bound, drug, entered, frames, happened, lab, write

from reference.isolation import isolated
from reference.sums import is_sum_for
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.broker import Broker
from twinpane_broker.cells.person_sets import near
from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import RefusalCode
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.question.cohort import Aged, Cohort, Event, Indexed, Step
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.question.predicates import In
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import load_rules

EXACT = load_rules({"preset": "cms-11", "threshold": 11, "withheld_per_day": 10_000, "sets_percent": 10_000})
PERSONS = 400


def tables():
    """Person i has a lab i days after the entry, i % 40 more labs, is born in 1920 + i % 80, and is watched from i days before.

    Everybody has another lab on the day after: so whoever knows the days of labs does not know of which code one was.
    """
    made = frames(n=PERSONS, seed=5)
    person = made["person"]
    person["gender_concept_id"] = [8507 if random.Random(i).random() < 0.5 else 8532 for i in range(PERSONS)]
    person["year_of_birth"] = [1920 + i % 80 for i in range(PERSONS)]
    entry = DAY0 + timedelta(days=1000)
    ids = range(1, PERSONS + 1)
    frame = type(person)
    made["drug_exposure"] = frame([{"person_id": i, "drug_concept_id": DRUGS[0], "drug_exposure_start_date": entry} for i in ids])
    made["measurement"] = frame(
        [{"person_id": i, "measurement_concept_id": LABS[0], "measurement_date": entry + timedelta(days=i), "value_as_number": 5.0}
         for i in ids]
        + [{"person_id": i, "measurement_concept_id": LABS[1], "measurement_date": entry - timedelta(days=1), "value_as_number": 5.0}
           for i in ids for _ in range(i % 40)]
        + [{"person_id": i, "measurement_concept_id": LABS[1], "measurement_date": entry + timedelta(days=1), "value_as_number": 5.0}
           for i in ids]
    )  # fmt: skip
    made["observation_period"] = frame(
        [{"person_id": i, "observation_period_start_date": entry - timedelta(days=i), "observation_period_end_date": date(2030, 1, 1)}
         for i in ids]
    )  # fmt: skip
    return made


class Spy(InProcessMemory):
    """A memory that also keeps, for the test alone, which sets of persons were released."""

    def __init__(self):
        super().__init__()
        self.released = []

    def decision(self, *, exact=False):
        inner = super().decision(exact=exact)
        spy = self

        class Watched:
            def __enter__(self):
                decision = inner.__enter__()
                put = decision.put

                def watched(key, answer, released, *more):
                    put(key, answer, released, *more)
                    spy.released += [frozenset(who) for who in released]

                decision.put = watched
                return decision

            def __exit__(self, *error):
                return inner.__exit__(*error)

        return Watched()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine on the attacked hospital; it remembers nothing of releases."""
    made = DuckEngine(build_store(write(tmp_path_factory.mktemp("hospital"), tables()), CATALOGUE))
    yield made
    made.close()


class Attacker:
    """Asks one broker about cohorts: how many persons, by sex or not."""

    def __init__(self, engine):
        self.engine = engine
        self.memory = Spy()
        self.broker = Broker(CATALOGUE, EXACT, engine, self.memory, secret=b"s" * 32)

    def ask(self, cohort, *by):
        """The released number of persons (by sex: of men), None where it was held back, or is that of a set released before."""
        groups = tuple(Group(column=f"person.{column}") for column in by)
        earlier = list(self.memory.released)
        plan = Plan(table="person", cohort=cohort, group_by=groups, measures=(measure_of("persons"),))
        answer = self.broker.run(plan)
        if isinstance(answer, Refusal):
            assert answer.code is RefusalCode.withheld, answer
            return None
        assert isinstance(answer, Release)
        row = answer.rows[0]
        assert row.values[0].value == row.persons
        if not row.about:
            return row.persons
        found = self.engine.measure(check(plan, CATALOGUE))
        everybody = self.engine.measure(check(plan.model_copy(update={"cohort": None}), CATALOGUE)).cells[(0,) * len(by)].who
        # The cell's own persons, or those in the table of a set that stands in for the whole cohort.
        own = frozenset(found.cells[(0,) * len(by)].who)
        others = [old & frozenset(everybody) for old in earlier if near_enough(old, found.who)]
        if row.persons in {*map(len, others), *(len(old) for old in earlier for one in (own, *others) if near_enough(old, one))}:
            return None
        left_over = len(found.who) - sum(each.persons for each in answer.rows[1:] if each.persons and not each.about)
        earlier = [frozenset(old) for old in earlier]
        sums = (is_sum_for(row.persons, one, EXACT, earlier, frozenset(found.who)) for one in (own, *others))
        # Around a cohort there are sets that everybody knows; near these their number is shown, or that of a set near them.
        known = (abs(row.persons - len(one)) <= 2 * EXACT.most_about for one in (own, *others, found.who))
        assert row.persons == left_over or any(sums) or any(known), row
        return None

    def marked(self, cohort):
        """The number of persons that is shown for a cohort, and whether it is that of a set released before."""
        answer = self.broker.run(Plan(table="person", cohort=cohort, measures=(measure_of("persons"),)))
        assert isinstance(answer, Release)
        return answer.persons, answer.about

    def who(self, cohort):
        """Who is in a cohort: what only the site knows."""
        return self.engine.measure(bound(cohort)).who


def near_enough(one, other):
    """Whether the number of one set may be shown for the other: equal, or fewer than twice the threshold are in one alone."""
    one, other = frozenset(one), frozenset(other)
    return max(len(one - other), len(other - one)) <= EXACT.most_about


def about(*criteria, prior=None, post=0, **flags):
    """The cohort of everybody's entry with one step."""
    return Cohort(entry=entered(drug(DRUGS[0]), prior=prior, post=post), steps=(Step(criteria=criteria, **flags),) if criteria else ())


def within(start, end, **more):
    """With the one lab in a window after the entry."""
    return about(happened(lab(LABS[0]), start, end, **more))


WOMEN = Event(table="person", where=In(column="person.gender_concept_id", codes=(8532,)))
FAMILIES = {
    "a window's end moved day by day": [within(1, end) for end in range(100, 140)],
    "a window's start moved day by day": [within(start, None) for start in range(100, 140)],
    "a window of fixed length moved day by day": [within(start, start + 60) for start in range(100, 140)],
    "a window and what it leaves out": [about(happened(lab(LABS[0]), 1, end), exclude=flag) for end in range(100, 120) for flag in (0, 1)],
    "a hole moved day by day": [
        about(happened(lab(LABS[0]), 1, at), happened(lab(LABS[0]), at + 2, None), any=True) for at in range(100, 140)
    ],
    "one day cut out of two windows": [
        about(happened(lab(LABS[0]), 50, 200), happened(lab(LABS[0]), at, at, count=0, times="exactly")) for at in range(100, 140)
    ],
    "how often, one by one": [about(happened(lab(LABS[1]), None, None, count=n)) for n in range(1, 40)],
    "how often at most": [about(happened(lab(LABS[1]), None, 0, count=n, times="at_most")) for n in range(40)],
    "age year by year": [about(Aged(low=low)) for low in range(20, 60)],
    "days of observation one by one": [about(prior=days) for days in range(100, 140)],
    "a step turned on and off": [
        cohort for end in range(150, 170) for cohort in (within(1, end), within(1, end).model_copy(update={"steps": (
            *within(1, end).steps, Step(criteria=(happened(lab(LABS[0]), 150, 150),), exclude=True))}))
    ],
    "a marker of one person joined with everybody of a sex": [
        about(happened(lab(LABS[0]), at, at), happened(WOMEN), any=True) for at in range(100, 140)
    ],
    "everybody but one": [about(happened(lab(LABS[0]), at, at), exclude=True) for at in range(100, 140)],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_finely_tuned_family_of_cohorts_singles_out_nobody(engine, family):
    """No two released sets, and no released set and the union of two, are nearer than the threshold."""
    attacker = Attacker(engine)
    sets = [attacker.who(cohort) for cohort in FAMILIES[family]]
    assert any(near(one, other, 11) or len(one) < 11 for i, one in enumerate(sets) for other in sets[:i]), "no attack"
    answers = [attacker.ask(cohort) for cohort in FAMILIES[family]]
    assert None in answers
    assert isolated(attacker.memory.released, EXACT.threshold) == []


@pytest.mark.slow
def test_the_sex_of_one_person_cannot_be_had_by_moving_a_window(engine):
    """Men until day d less men until day d - 1 is the sex of the person whose lab is on day d."""
    attacker = Attacker(engine)
    found = {}
    for end in range(100, 160):
        found[end] = (attacker.ask(within(1, end), "gender_concept_id"), attacker.ask(within(1, end)))
    for told in zip(*found.values(), strict=True):
        own = [number for number in told if number is not None]
        assert 1 <= len(own) <= 60 // 11 + 1
        assert min((later - earlier for earlier, later in pairwise(own)), default=11) >= 11
    assert isolated(attacker.memory.released, EXACT.threshold) == []


def test_renamed_and_respelt_cohorts_are_no_second_opinion(engine):
    """The same persons get the same number under other names, as another step, or counted the other way round.

    Told in other words it bears the mark; so does the number for the persons of one day more, which is the same one.
    """
    attacker = Attacker(engine)
    told = attacker.ask(within(1, 120))
    assert told is not None
    assert attacker.marked(within(1, 120).model_copy(update={"name": "again"})) == (told, False)
    other_words = [
        about(happened(lab(LABS[0]), 1, 120, count=1, times="exactly")),
        about(happened(lab(LABS[0]), 1, 120, count=0, times="exactly"), exclude=True),
        within(1, 121),
    ]
    assert [attacker.marked(cohort) for cohort in other_words] == [(told, True)] * 3


def test_index_windows_move_by_months_only():
    """A window of index dates that ends on another day is refused before anything is counted."""
    from twinpane_broker.errors import Refused

    for day in (date(2017, 9, 2), date(2017, 9, 28)):
        with pytest.raises(Refused, match="begins and ends with months"):
            bound(about(Indexed(end=day)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_random_conversation_about_cohorts_singles_out_nobody(engine, seed):
    """Eighty random cohorts of all kinds, half of them by sex: nothing released isolates fewer than the threshold."""
    rng = random.Random(seed)

    def criterion():
        low = rng.randrange(1, 350)
        return rng.choice([
            lambda: happened(lab(LABS[0]), low, rng.choice((None, low + rng.randrange(0, 200)))),
            lambda: happened(lab(LABS[0]), low, low, count=0, times="exactly"),
            lambda: happened(lab(LABS[1]), None, None, count=rng.randrange(1, 40)),
            lambda: Aged(low=rng.randrange(20, 60)),
            lambda: happened(WOMEN),
            lambda: happened(Event(table="condition_occurrence", where=In(
                column="condition_occurrence.condition_concept_id", codes=rng.sample(CONDITIONS, 2))), -800, 300),
        ])()  # fmt: skip

    def cohort():
        steps = [
            Step(criteria=tuple(criterion() for _ in range(rng.choice((1, 1, 2)))), any=rng.random() < 0.4, exclude=rng.random() < 0.3)
            for _ in range(rng.randrange(0, 3))
        ]
        return Cohort(entry=entered(drug(DRUGS[0]), prior=rng.choice((None, rng.randrange(0, 300)))), steps=tuple(steps))

    attacker = Attacker(engine)
    answers = [attacker.ask(cohort(), *rng.choice(((), ("gender_concept_id",)))) for _ in range(80)]
    assert any(answer is not None for answer in answers)
    assert isolated(attacker.memory.released, EXACT.threshold) == []
