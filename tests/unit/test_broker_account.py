"""The account of what was released: each attribute is told of by so many sets of persons, and the data have no say in it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from broker_world import CATALOGUE, SECRET, World, bound_to, codes, people, some

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Code, Column, Given
from twinpane_broker.check.described_sets import most_cost
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.disclosure.attributes import MOST_NAMED, Attributes
from twinpane_broker.disclosure.costs import cost_of
from twinpane_broker.disclosure.judge import Answer
from twinpane_broker.disclosure.set_names import SetNames
from twinpane_broker.engine.engine import Engine
from twinpane_broker.errors import RefusalCode
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import ADMITTED, DamagedMemory, InProcessMemory, Memory, Overdrawn, SqliteMemory, Totals, charge_of, sets_told
from twinpane_broker.memory.account import Account, BadCharge, from_bytes, to_bytes
from twinpane_broker.release.account_line import MOST_LINES, AccountLine, account_lines, cost_words, in_few_words
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql

NARROW = load_rules({"preset": "10-5", "threshold": 10, "sets_percent": 0.5})
"""Five sets an attribute, at a thousand persons."""
CAPPED = load_rules({"preset": "10-5", "threshold": 10, "withheld_per_day": 1})
PRIVATE = load_rules({"preset": "10-5", "threshold": 10, "dp": {"epsilon_per_answer": 1.0, "epsilon_total": 1.0}})
DAY = date(2026, 11, 1)
SMOKERS = "select sex, count(*) n from person where smoker = true group by sex"


@pytest.fixture(params=["in process", "in a file"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """Both kinds of memory."""
    made: Memory = InProcessMemory() if request.param == "in process" else SqliteMemory(tmp_path / "memory.db")
    yield made
    if isinstance(made, SqliteMemory):
        made.close()


def charged(memory: Memory, key: str, names: str, most: int = 3, attribute: str = "a") -> Overdrawn | None:
    """What comes of a charge of sets with these names of one letter, and an answer."""
    with memory.decision() as decision:
        if (over := decision.charge(charge_of({attribute: {name.encode() for name in names}}), most)) is None:
            decision.put(key, b"an answer", [])
        return over


def told(sql: str) -> dict[str, int]:
    """By attribute, how many sets a question costs."""
    bound = bound_to(sql)
    return {attribute: len(names) for attribute, names in cost_of(bound, SetNames(bound)).charge.items()}


# ---------------------------------------------------------------- the account


def test_an_attribute_is_told_of_by_so_many_sets(memory: Memory) -> None:
    """The next one is refused, and says by how much; others have an account of their own."""
    assert charged(memory, "1", "xy") is None
    assert charged(memory, "2", "zw") == Overdrawn("a", told=2, more=2)
    assert charged(memory, "3", "z") is None
    assert charged(memory, "4", "w") == Overdrawn("a", told=3, more=1)
    assert charged(memory, "5", "w", attribute="b") is None


def test_a_set_costs_once(memory: Memory) -> None:
    """Asked again, in another table or project, it is told already."""
    assert charged(memory, "1", "xyz") is None
    assert charged(memory, "2", "zy") is None


def test_what_is_refused_costs_nothing(memory: Memory) -> None:
    """A charge without room, or without an answer, leaves the account as it was."""
    assert charged(memory, "1", "vwxyz") is not None
    with memory.decision() as decision:
        assert decision.charge(charge_of({"a": {b"u"}}), 3) is None
    assert charged(memory, "2", "xyz") is None


def test_a_charge_outlives_a_restart_and_is_shared(tmp_path: Path) -> None:
    """Written with the answer: another process knows it at once, and so does the next start."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as one, closing(SqliteMemory(file)) as other:
        assert charged(one, "1", "xy") is None
        assert charged(other, "2", "zw") == Overdrawn("a", told=2, more=2)
    with closing(SqliteMemory(file)) as again:
        assert charged(again, "3", "zw") == Overdrawn("a", told=2, more=2)
    assert sets_told(file) == {"a": 2}


def test_a_site_without_a_memory_has_told_nothing(tmp_path: Path) -> None:
    """The steward's look makes no file; one of an earlier version has no account yet."""
    assert sets_told(tmp_path / "memory.db") == {}
    assert not (tmp_path / "memory.db").exists()
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        old.execute("CREATE TABLE answer (key TEXT)")
    assert sets_told(tmp_path / "old.db") == {}


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM charge WHERE number = 1",
        "UPDATE charge SET body = replace(CAST(body AS TEXT), 'a', 'b') WHERE number = 1",
        "UPDATE charge SET digest = zeroblob(16) WHERE number = 2",
    ],
)
def test_a_lost_or_garbled_charge_is_refused(tmp_path: Path, damage: str) -> None:
    """Nothing new is answered from an account that lacks something."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as memory:
        charged(memory, "1", "x")
        charged(memory, "2", "y")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(damage)
    with closing(SqliteMemory(file)) as memory, pytest.raises(DamagedMemory):
        charged(memory, "3", "z")


def test_a_charge_that_is_lost_under_way_is_noticed(tmp_path: Path) -> None:
    """A file that holds fewer charges than it held is damaged."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as memory:
        charged(memory, "1", "x")
        charged(memory, "2", "x")
        charged(memory, "3", "y")
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DELETE FROM charge")
        with pytest.raises(DamagedMemory):
            charged(memory, "4", "z")


def test_a_charge_goes_to_bytes_and_back() -> None:
    """The same charge has the same bytes; other bytes are none."""
    charge = charge_of({"b": {b"x", b"a name as long as it may be"}, "a = 1": {b"z"}})
    assert from_bytes(to_bytes(charge)) == charge
    for body in (b"", b"[]", b'{"a": 3}', b'{"a": "zz"}', b"\xff"):
        with pytest.raises(BadCharge):
            from_bytes(body)


def test_the_attribute_with_least_room_is_named() -> None:
    """Of several that have none."""
    account = Account()
    account.add(charge_of({"a": {b"1", b"2"}}))
    assert account.overdrawn(charge_of({"a": {b"3"}, "b": {b"1", b"2", b"3", b"4"}}), 2) == Overdrawn("b", 0, 4)


# ---------------------------------------------------------------- what a question costs


@pytest.mark.parametrize(
    ("sql", "costs"),
    [
        ("select count(*) n from person where smoker = true", {"person.smoker": 1}),
        ("select count(*) n from person where not smoker = true", {"person.smoker": 1}),
        (SMOKERS, {"person.smoker": 3, "person.sex": 2}),
        ("select sex, count(*) n, avg(weight), sum(weight) from person group by sex", {"person.sex": 6, "person.weight": 6}),
        ("select avg(weight), stddev(weight), median(weight) from person", {"person.weight": 6}),
        ("select floor(weight / 50) * 50 w, count(*) n from person group by 1", {"person.weight": 4}),
        ("select count(*) n from person where race is null", {"person.race": 1}),
        ("select count(distinct person_id) n from visit", {"visit": 1}),
        ("select count(distinct person_id) n from visit where ward = 'icu'", {"visit.ward = icu": 1}),
        (
            "select count(distinct person_id) n from visit where ward in ('icu', 'er')",
            {"visit.ward = icu": 1, "visit.ward = er": 1, "visit.ward = day": 1},
        ),
        (
            "select ward, count(distinct person_id) n from visit group by ward",
            {"visit": 1, "visit.ward = icu": 1, "visit.ward = er": 1, "visit.ward = day": 1},
        ),
        ("select avg(lactate) from visit where ward = 'icu'", {"visit.ward = icu": 3}),
        (
            "select avg(lactate) from visit where ward in ('icu', 'er')",
            {"visit.ward = icu": 3, "visit.ward = er": 3, "visit.ward = day": 3},
        ),
        (
            "select count(distinct person_id) n from visit where not ward in ('icu', 'er')",
            {"visit.ward = icu": 1, "visit.ward = er": 1, "visit.ward = day": 1},
        ),
        (
            "select avg(lactate), median(lactate) from visit v join person p on v.person_id = p.person_id where p.smoker = true",
            {"person.smoker": 5, "visit": 5},
        ),
        ("select corr(age, weight) from person", {"person.age": 2, "person.weight": 2}),
        ("select avg(lactate) from visit where day >= '2020-01-01'", {"visit": 3}),
    ],
)
def test_a_question_costs_each_set_by_attribute(sql: str, costs: dict[str, int]) -> None:
    """Whatever the data hold."""
    assert told(sql) == costs


def test_what_is_not_sensitive_of_persons_costs_nothing() -> None:
    """Acquaintances know it: no number tells them more."""
    person = CATALOGUE.known_table("person")
    columns = tuple(c.model_copy(update={"sensitive": c.name != "sex"}) for c in person.columns)
    known = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})
    bound = bound_to(SMOKERS, known)
    assert {a: len(names) for a, names in cost_of(bound, SetNames(bound)).charge.items()} == {"person.smoker": 3}


def test_a_name_costs_the_code_that_it_stands_for() -> None:
    """Two codings of one thing have one account, where the catalogue says that one follows the other."""
    named = [
        Column(name="ward_name", type="varchar", role="dimension", codes=codes("intensive", "other"), follows="ward", given=given)
        for given in (
            (Given(code="icu", value="intensive"), Given(code="er", value="other"), Given(code="day", value="other")),
            (Given(code="icu", value="intensive"), Given(code="er", knots=(1.0, 2.0))),
        )
    ]
    costs = []
    for column in named:
        visit = CATALOGUE.known_table("visit")
        wider = visit.model_copy(update={"columns": (*visit.columns, column)})
        catalogue = CATALOGUE.model_copy(update={"tables": (CATALOGUE.tables[0], wider, CATALOGUE.tables[2])})
        costs.append(
            [
                Attributes(bound_to(f"select count(distinct person_id) n from visit where ward_name = '{name}'", catalogue)).of((), ())
                for name in ("intensive", "other")
            ]
        )
    # Of two names the one is asked about by the other.
    assert costs[0] == [{"visit.ward = icu", "visit.ward = er", "visit.ward = day"}] * 2
    assert costs[1] == [{"visit.ward_name = intensive", "visit.ward_name = other"}] * 2


def test_a_cohort_costs_the_codes_of_its_events() -> None:
    """Whom it takes in and whom it leaves out; an event without a code is one of its table."""
    sql = "select count(*) n from person where person_id in (select person_id from visit where ward = 'er')"
    assert told(sql) == {"visit.ward = er": 1}
    assert told(sql.replace(" where ward = 'er'", "")) == {"visit": 1}
    assert told(sql.replace("person_id in", "person_id not in")) == {"visit.ward = er": 1}


def test_a_long_list_costs_its_most_frequent_codes() -> None:
    """So a list that is one code but for rare ones costs that code."""
    visit = CATALOGUE.known_table("visit")
    rare = tuple(Code(value=f"w{i}", share=0.001) for i in range(MOST_NAMED + 50))
    columns = tuple(c.model_copy(update={"codes": (*rare, Code(value="icu", share=0.7))}) if c.name == "ward" else c for c in visit.columns)
    catalogue = CATALOGUE.model_copy(update={"tables": (CATALOGUE.tables[0], visit.model_copy(update={"columns": columns}))})
    listed = ", ".join(f"'{code.value}'" for code in (*rare, Code(value="icu", share=0.7)))
    found = Attributes(bound_to(f"select count(distinct person_id) n from visit where ward in ({listed})", catalogue)).of((), ())
    assert "visit.ward = icu" in found
    assert len(found) == MOST_NAMED


# ---------------------------------------------------------------- the broker


def test_a_question_beyond_the_account_is_refused_as_spent(tmp_path: Path) -> None:
    """It says of which attribute, how much was told and is lacking; what was answered before stays answered."""
    world = World(tmp_path, NARROW)
    first = world.ask(SMOKERS)
    assert isinstance(first, Release)
    refused = world.ask("select race, count(*) n from person where smoker = true group by race")
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.spent
    assert "person.smoker by 5 sets of persons at most, 0.5 for every hundred" in refused.reason
    assert "3 were asked for, and this question has 4 more" in refused.reason
    assert world.ask(SMOKERS) == first
    assert isinstance(world.ask("select count(*) n from person where weight >= 60"), Release)


class Counted:
    """An engine that counts what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked = 0

    def measure(self, bound: ResolvedPlan) -> Evidence:
        """The evidence."""
        self.asked += 1
        return self._engine.measure(bound)

    def __getattr__(self, name: str) -> Any:
        """All else is the engine's."""
        return getattr(self._engine, name)


def test_a_question_without_room_never_asks_the_engine(tmp_path: Path) -> None:
    """Its refusal follows from the questions alone, and so does the time that it takes; neither the cap nor a budget differs."""
    for name, rules, first, then, code in (
        ("spent", NARROW, SMOKERS, "select race, count(*) n from person where smoker = true group by race", "spent"),
        ("capped", CAPPED, "select count(*) n from person where race is null", "select count(*) n from person", "capped"),
        ("budget", PRIVATE, "select count(*) n from person", SMOKERS, "catalogue"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        world = World(folder, rules)
        world.ask(first)
        engine = Counted(world.engine)
        broker = Broker(CATALOGUE, rules, engine, world.memory, secret=SECRET)
        refused = broker.run(parse_sql(then, CATALOGUE))
        assert isinstance(refused, Refusal)
        assert (refused.code, engine.asked) == (code, 0), name
        assert broker.run(parse_sql(first, CATALOGUE)).status == world.ask(first).status


def test_a_memory_says_without_deciding_what_is_left(memory: Memory) -> None:
    """As the decision would, also while one is under way."""
    names = charge_of({"a": {b"x", b"y"}})
    assert memory.overdrawn(names, 2) is None
    assert memory.overdrawn(names, 1) == Overdrawn("a", told=0, more=2)
    charged(memory, "1", "x")
    with memory.decision() as decision:
        decision.charge(names, 3)
        decision.put("2", b"an answer", [], ("p", DAY))
        assert decision.told(names) == {"a": 2}
        assert memory.overdrawn(names, 1) == Overdrawn("a", told=1, more=1)
        assert memory.withheld_before("p", DAY) == 0
    assert memory.overdrawn(names, 1) is None
    assert memory.withheld_before("p", DAY) == 1


def test_an_answer_says_what_is_left(tmp_path: Path) -> None:
    """Of each attribute that it tells of, released or withheld; and again the same where it is given again."""
    world = World(tmp_path, NARROW)
    first = world.ask(SMOKERS)
    sex, smoker = (
        AccountLine(attribute="person.sex", told=2, most=5, used=2),
        AccountLine(attribute="person.smoker", told=3, most=5, used=3),
    )
    assert isinstance(first, Release)
    assert first.account == (smoker, sex)
    assert [line.left for line in first.account] == [2, 3]
    withheld = world.ask("select count(*) n from person where smoker = true and race is null")
    assert isinstance(withheld, Refusal)
    assert withheld.code is RefusalCode.withheld
    assert AccountLine(attribute="person.smoker", told=4, most=5, used=1) in withheld.account
    assert "this used 1 of 5 sets of persons of person.smoker, and 1 are left" in withheld.words
    assert world.ask(SMOKERS) == first
    refused = world.ask("select race, count(*) n from person where smoker = true group by race")
    assert isinstance(refused, Refusal)
    assert refused.account == (AccountLine(attribute="person.smoker", told=4, most=5),)
    assert not world.ask("select count(*) n from person where nothing = 1").account


def test_an_earlier_answer_without_an_account_has_its_bytes() -> None:
    """What an earlier version remembered, and signed, is the same."""
    body = b'{"about":true,"persons":20,"rows":[]}'
    answer = Answer.model_validate_json(body)
    assert b"account" not in answer.canonical()
    assert b"account" not in Refusal(site="north", plan_hash="0" * 64, code=RefusalCode.withheld).canonical()


def test_little_is_less_than_a_quarter() -> None:
    """Few words name the attribute with least left, and how many more there are."""
    lines = account_lines({"a": 75, "b": 76, "c": 100, "d": 120, "e": 99}, 100, dict.fromkeys("abcde", 0))
    assert [line.attribute for line in lines] == ["d", "c", "e", "b", "a"]
    assert [line.low for line in lines] == [True, True, True, True, False]
    assert in_few_words(lines) == "d (0 of 100), and 3 more"
    assert in_few_words(lines[3:]) == "b (24 of 100)"
    assert in_few_words(lines[4:]) == ""
    many = {f"a{i}" * 100: i for i in range(MOST_LINES + 1)}
    assert len(account_lines(many, 5, many)) == MOST_LINES
    assert cost_words(account_lines(many, 5, many)) == "", "asked before, it used nothing"


def test_a_release_says_how_much_an_attribute_is_told(tmp_path: Path) -> None:
    """Beside the other rules."""
    release = World(tmp_path, NARROW).ask(SMOKERS)
    assert isinstance(release, Release)
    said = [rule.sentence for rule in release.rules if not isinstance(rule, str) and rule.code == "account"]
    assert said == [
        "Of one attribute (a column of persons, a code of events) the site tells by at most 0.5 sets of persons for every hundred "
        "persons, to all projects together; questions beyond that are refused."
    ]


ASKED = [
    "select count(*) n from person where weight >= 60",
    "select count(*) n from person where weight >= 60 and smoker = true",
    "select sex, count(*) n from person where smoker = true and weight >= 70 group by sex",
    "select count(*) n from person where smoker = true and sex = 'F'",
    "select race, count(*) n from person where smoker = true group by race",
]


def test_what_is_left_does_not_depend_on_the_data(tmp_path: Path) -> None:
    """Fresh, near, suppressed or withheld: the same questions leave the same, and are refused alike."""
    left, spent = [], []
    for name, smokes in {"some": lambda i: i % 5 == 0, "few": lambda i: i < 3, "all": lambda _: True, "none": lambda _: False}.items():
        folder = tmp_path / name
        folder.mkdir()
        memory = SqliteMemory(folder / "memory.db")
        world = World(folder, NARROW, memory=memory, person=people(smoker=smokes))
        answers = [world.ask(sql) for sql in ASKED]
        spent.append([isinstance(answer, Refusal) and answer.code is RefusalCode.spent for answer in answers])
        memory.close()
        left.append(sets_told(folder / "memory.db"))
    assert left == left[:1] * 4
    assert left[0]["person.smoker"] == 5
    assert spent == [[False, False, False, False, True]] * 4


def test_no_set_gets_numbers_that_was_not_paid_for() -> None:
    """More sets than a question describes, and a stand-in's, are a mistake of the program: nothing leaves."""
    bound = bound_to("select count(*) n from person where smoker = true")
    place = cost_of(bound, SetNames(bound)).covering(lambda *_: ADMITTED)
    for name in (b"own", b"stand-in", b"own"):
        assert place(some(20), name, "", Totals()) == ADMITTED
    with pytest.raises(ValueError, match="not in the account"):
        place(some(20), b"a third", "", Totals())


@pytest.mark.parametrize(
    "question",
    [
        SMOKERS,
        "select smoker, count(distinct person_id) n, avg(age) a, sum(age) s from person group by smoker",
        "select smoker, race, count(*) n from person group by cube (smoker, race)",
        "select race, avg(age) a, avg(weight) w from person where smoker = true group by race",
    ],
)
def test_no_question_costs_more_than_was_said_before(question: str) -> None:
    """What is said from the catalogue alone, before anything is asked, covers what the site charges for each attribute."""
    assert 0 < max(told(question).values()) <= most_cost(parse_sql(question, CATALOGUE), CATALOGUE)


def test_a_set_that_a_question_describes_twice_costs_twice() -> None:
    """Smokers by smoking are one set; of another that stands in, with totals, two are told, and the broker gave no answer at all."""
    assert told("select smoker, count(*) n from person where smoker = true group by smoker") == {"person.smoker": 2}
    assert told("select smoker, sex, count(*) n from person where smoker = true group by cube (smoker, sex)")["person.smoker"] == 6


def test_a_first_event_of_a_code_costs_what_any_does() -> None:
    """Its table is named by the event with its code: the bound was asked of a table that there was not."""
    first = "(select person_id, min(day) as day from visit where ward = 'icu' group by person_id)"
    question = f"select year(f.day) y, count(*) n from {first} f group by 1"
    plan = parse_sql(question, CATALOGUE)
    assert plan.firsts
    assert most_cost(plan, CATALOGUE) > 1
    any_ward = parse_sql(question.replace("where ward = 'icu' ", ""), CATALOGUE)
    assert most_cost(plan, CATALOGUE) == most_cost(any_ward, CATALOGUE)
