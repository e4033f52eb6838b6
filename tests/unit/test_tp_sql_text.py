"""What the builder says, said in SQL: read back, it is the same question."""

from datetime import date

import pytest
import tp_sites
from hypothesis import given, settings
from hypothesis import strategies as st

import twinpane as tp
from twinpane import _host
from twinpane.ask.sql_text import sql_of
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.question.plan import Bin, Group, Join, Order, Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, Concept, ConceptSet, In, Missing, Not, Range, Window
from twinpane_broker.sql import parse_sql

columns = st.sampled_from(["person.sex", "person.age", "person.weight"])
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).filter(lambda text: not text[:4].isdigit())
numbers = st.integers(-5000, 5000) | st.decimals(-10_000, 10_000, places=4).map(float)
codes = st.lists(st.booleans() | st.integers(-5000, 5000) | texts, min_size=1, max_size=4).map(tuple)
days = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1))


@st.composite
def ranges(draw):
    low, high = draw(st.none() | numbers), draw(numbers)
    above = low is not None and draw(st.booleans())
    return Range(column=draw(columns), low=low, high=high, above=above, through=draw(st.booleans()))


@st.composite
def windows(draw):
    return Window(column=draw(columns), start=draw(st.none() | days), end=draw(days), through=draw(st.booleans()))


leaves = st.builds(In, column=columns, codes=codes, descendants=st.booleans()) | st.builds(Missing, column=columns) | ranges() | windows()
negated = st.builds(Not, term=leaves)
alternatives = st.lists(leaves | negated, min_size=2, max_size=3).map(lambda terms: AnyOf(terms=tuple(terms)))


@st.composite
def conditions(draw):
    """Terms that hold together; ranges of one column would be joined, so each has a column of its own kind."""
    terms = draw(st.lists(leaves | negated | alternatives, min_size=1, max_size=2))
    ends = [type(term) for term in terms if isinstance(term, Range | Window)]
    if len(ends) != len(set(ends)):
        terms = terms[:1]
    return terms[0] if len(terms) == 1 else AllOf(terms=tuple(terms))


measures = st.lists(
    st.sampled_from([
        measure_of("count"), measure_of("persons"), measure_of("mean", column="person.age"), measure_of("sum", column="person.age"),
        measure_of("sd", column="person.age"), measure_of("var", column="person.age", label="v"),
        measure_of("quantile", column="person.age", percent=5), measure_of("quantile", column="person.age", percent=75),
        measure_of("correlation", column="person.age", other="person.weight"),
    ]),
    min_size=1, max_size=4, unique=True,
).map(tuple)  # fmt: skip
groups = st.lists(
    st.sampled_from([Group(column="person.sex"), Group(column="person.birth", bin=Bin.month), Group(column="person.age", width=2.5)]),
    max_size=3, unique=True,
).map(tuple)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(where=st.none() | conditions(), group_by=groups, measures=measures, margins=st.booleans(), limit=st.none() | st.integers(1, 99))
def test_what_is_said_in_sql_is_read_back_as_the_same_question(where, group_by, measures, margins, limit):
    """Any plan that has no cohort with an index date, concept set, or shares with totals."""
    order = (Order(by="v", descending=True),) if any(measure.label for measure in measures) else ()
    plan = Plan(table="person", where=where, group_by=group_by, measures=measures, margins=margins and bool(group_by), order_by=order,
                limit=limit)  # fmt: skip
    back = parse_sql(sql_of(plan, lambda _: "person_id"))
    assert back.question == plan.question
    assert (back.order_by, back.limit) == (plan.order_by, plan.limit)


def test_shares_and_joins_are_said_too():
    """Within a dimension and of all."""
    join = Join(table="lab", left="person.person_id", right="lab.person_id")
    for within in ((), ("person.sex",)):
        plan = Plan(table="person", joins=(join,), group_by=(Group(column="person.sex"), Group(column="lab.concept")),
                    measures=(measure_of("share", within=within),))  # fmt: skip
        assert parse_sql(sql_of(plan, lambda _: "person_id")).question == plan.question


def test_an_unfinished_question_is_shown_as_a_count():
    """So that a builder's user learns the SQL, and the other way round; nobody is asked."""
    asked = tp.table("person").where(sex="F").group_by(birth="year")
    assert asked.sql == (
        "SELECT date_trunc('year', person.birth), count(*)\nFROM person\nWHERE person.sex = 'F'\nGROUP BY date_trunc('year', person.birth)"
    )


def test_a_table_says_its_question_with_the_person_key(monkeypatch):
    """A table says its question with the catalogue's person key. ``tp.sql(table.sql)`` asks the same again."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    table = tp.table("person").group_by("sex").persons()
    assert table.sql == "SELECT person.sex, count(DISTINCT person.person_id)\nFROM person\nGROUP BY person.sex"
    assert repr(tp.sql(table.sql)) == repr(table)


def test_cases_having_and_chosen_persons_are_said_too(monkeypatch):
    """The builder's words and SQL's are one plan: groups with names, rows by their numbers, persons by other rows."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    labs = tp.event("lab", concept=[3016723])
    chosen = tp.cohort().require("one", labs).exclude("many", labs, at_least=3).require("either", labs, tp.event("person", sex="F"))
    asked = tp.table("person").cohort(chosen).cases("age", "band", child=(0, 17), adult=slice(18, 65), otherwise="old")
    table = asked.having(persons=100).persons()
    assert repr(tp.sql(table.sql)) == repr(table)
    assert tp.sql(table.sql).plan.question == table.plan.question
    assert "HAVING count(DISTINCT person.person_id) >= 100" in table.sql
    assert "CASE WHEN person.age >= 0 AND person.age <= 17 THEN 'child'" in asked.sql


def test_days_between_two_dates_are_said_too(monkeypatch):
    """As a measure with a name in the builder, as ``datediff`` in SQL."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    table = tp.table("person").days("days_between", "birth", "died").mean("days_between")
    assert "avg(datediff('day', person.birth, person.died))" in table.sql
    assert parse_sql(table.sql).question == table.plan.question


def test_ages_stays_and_kinds_are_said_too(monkeypatch):
    """They group and are compared in both ways in: differences of dates, values at a first event, how many kinds a person has."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    stay = tp.table("person").days("days_between", "birth", "died")
    asked = [
        stay.cases("days_between", short=(0, 30), otherwise="long").count(),
        stay.where(days_between=(None, 365)).group_by(days_between=500).persons(),
        tp.table("lab").join("person", "person_id").age("years_between", "person.age", "day").group_by(years_between=10).count(),
        tp.table("lab").first("one", "lab", date="day", value="value", concept=3016723).mean("one.value"),
        tp.table("person").kinds("labs", "lab", "concept").group_by(**{"labs.number": 1}).persons(),
    ]
    for table in asked:
        assert parse_sql(table.sql).question == table.plan.question, table.sql
    unused = stay.count()
    assert not unused.plan.differences


def test_first_events_are_said_too(monkeypatch):
    """A name in the builder, a SELECT in brackets in SQL: their days group, are compared, and are counted from and to."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    known = tp.table("person").first("fell", "person", date="died", age=(40, None)).first("born", "person", date="birth")
    asked = known.where({"fell.day": (date(2000, 1, 1), None)}).group_by(**{"fell.day": "year"})
    table = asked.days("days_between", "born.day", "died").measures("count", mean="days_between")
    assert parse_sql(table.sql).question == table.plan.question
    assert len(table.plan.firsts) == 2
    assert "(SELECT person_id, min(died) AS day FROM person WHERE person.age >= 40 GROUP BY person_id) first_person_" in table.sql
    with pytest.raises(tp.Refused):
        known.first("odd", "person", date="no date")


def test_sql_in_a_notebook_knows_the_catalogue(monkeypatch):
    """As at the site's own terminal: capitals, a joined table's column by its name alone, names of concepts."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    plan = tp.sql("SELECT SEX, CONCEPT_NAME, COUNT(*) FROM CDM.PERSON P JOIN CDM.LAB USING (PERSON_ID) JOIN CDM.CONCEPT C "
                  "ON C.CONCEPT_ID = LAB.CONCEPT WHERE C.CONCEPT_NAME = 'Glucose' GROUP BY 1, 2").plan  # fmt: skip
    assert [group.column for group in plan.group_by] == ["person.sex", "lab.concept"]
    assert plan.where == In(column="lab.concept", codes=(3004501,))


def test_what_sql_has_no_words_for_is_said():
    """Cohorts with an index date, concept sets, shares beside totals."""
    from twinpane_broker.question.cohort import Cohort, Entry, Event

    cohort = Cohort(entry=Entry(events=(Event(table="lab"),)))
    plans = (
        Plan(table="person", measures=(measure_of("count"),), cohort=cohort),
        Plan(table="person", measures=(measure_of("count"),), where=ConceptSet(column="person.sex", items=(Concept(code=1),))),
        Plan(table="person", measures=(measure_of("share"),), group_by=(Group(column="person.sex"),), margins=True),
    )
    for plan in plans:
        with pytest.raises(tp.Refused, match="SQL"):
            sql_of(plan, lambda _: "person_id")
