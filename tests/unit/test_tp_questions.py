"""The builder: what each step puts into the plan, and what it refuses by name."""

from datetime import date

import numpy as np
import pytest

import twinpane as tp
from twinpane import _host, queries
from twinpane_broker.plan import Plan
from twinpane_broker.sql import parse_sql


@pytest.fixture
def plan(monkeypatch):
    """The plan that a finished question would send."""

    class Asked(Exception):
        pass

    def ask(made):
        raise Asked(made)

    monkeypatch.setattr(queries, "ask", ask)

    def of(step):
        with pytest.raises(Asked) as caught:
            step()
        return caught.value.args[0]

    return of


def where(plan, **conditions):
    """The predicate that these conditions make, as JSON."""
    return plan(lambda: tp.table("person").where(**conditions).count()).where.model_dump(mode="json", exclude_defaults=True)


def test_a_code_a_list_and_none_are_a_set_of_codes_and_missing(plan):
    """Scalars, lists, sets and numpy's scalars."""
    assert where(plan, sex="F") == {"column": "person.sex", "codes": ["F"]}
    assert where(plan, sex=["M", "F"]) == {"column": "person.sex", "codes": ["F", "M"]}
    assert where(plan, sex={"M", "F"}) == where(plan, sex=["F", "M"])
    assert where(plan, year=np.int64(1950)) == {"column": "person.year", "codes": [1950]}
    assert where(plan, sex=None) == {"column": "person.sex"}


def test_a_tuple_is_an_interval_with_both_ends_in_it(plan):
    """Like SQL's BETWEEN; either end may be open."""
    assert where(plan, age=(40, 64)) == {"column": "person.age", "low": 40.0, "high": 64.0, "through": True}
    assert where(plan, age=(40, None)) == {"column": "person.age", "low": 40.0}
    between = tp.table("person").where(age=(40, 64))
    assert plan(between.count).where == parse_sql("select count(*) from person where person.age between 40 and 64").where


def test_two_dates_are_a_window(plan):
    """As dates or in ISO form."""
    asked = where(plan, birth=("2019-01-01", date(2019, 12, 31)))
    assert asked == {"column": "person.birth", "start": "2019-01-01", "end": "2019-12-31", "through": True}


def test_several_conditions_all_hold(plan):
    """In one call or in several."""
    one = plan(lambda: tp.table("person").where(sex="F", age=(40, 64)).count())
    two = plan(lambda: tp.table("person").where(sex="F").where(age=(40, 64)).count())
    assert one == two
    assert one.where.op == "all"


def test_a_join_brings_in_another_tables_columns(plan):
    """Columns of joined tables are named with their table."""
    joined = tp.table("measurement").join("person", "person_id").where({"person.sex": "F"})
    made = plan(lambda: joined.group_by("person.race").mean("value"))
    assert made.joins[0].right == "person.person_id"
    assert made.group_by[0].column == "person.race"
    assert made.measures[0].column == "measurement.value"


def test_dates_group_by_their_bin(plan):
    """A day itself never groups."""
    made = plan(lambda: tp.table("visit").group_by("kind", start="year").count())
    assert [(group.column, group.bin) for group in made.group_by] == [("visit.kind", None), ("visit.start", "year")]


def test_a_question_can_be_branched(plan):
    """Steps give new questions and leave the old one as it was."""
    base = tp.table("person").where(sex="F")
    base.where(age=(40, 64))
    assert plan(base.count).where.op == "in"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda q: q.where(age=(1, 2, 3)), "interval with two ends"),
        (lambda q: q.where(age=(None, None)), "interval with two ends"),
        (lambda q: q.where(sex=("F", "M")), "as a list"),
        (lambda q: q.where(d=("2019-01-01", 5)), "both ends"),
        (lambda q: q.where(sex=[]), "sex|codes"),
        (lambda q: q.where(sex=object()), "is a code"),
        (lambda q: q.where({"x; drop table": 1}), "cannot be asked"),
        (lambda q: q.group_by(start="day"), "month, quarter or year"),
        (lambda q: q.group_by("a", "b", "c", "d", "e").count(), "cannot be asked"),
        (lambda q: q.group_by("a", "a").count(), "once"),
        (lambda q: q.mean("no such name"), "cannot be asked"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(step, says):
    """Before any site hears of it, and with what to write instead."""
    with pytest.raises(tp.Refused, match=says):
        step(tp.table("person"))


def test_an_unfinished_question_asks_nothing(monkeypatch):
    """Showing it tells how to end it."""
    monkeypatch.setattr(_host, "call", lambda *_a, **_k: pytest.fail("asked"))
    assert "not asked yet" in repr(tp.table("person").where(sex="F"))


def test_a_crosstab_counts_persons_and_shows_a_grid(monkeypatch):
    """Rows by columns, pooled first, sites folded below."""
    from twinpane_broker.release import Category, Release, ReleasedColumn, Row, Value

    def call(_kind, plan):
        Plan.model_validate(plan)
        kinds = {"sex": "dimension", "race": "dimension", "persons": "persons"}
        columns = tuple(ReleasedColumn(name=name, kind=kind) for name, kind in kinds.items())
        rows = tuple(
            Row(key=(Category(value=s), Category(value=r)), persons=n, values=(Value(value=n),))
            for (s, r), n in {("F", "A"): 20, ("F", "B"): None, ("M", "A"): 30, ("M", "B"): 40}.items()
        )
        parts = {"plan_hash": "0" * 64, "snapshot": "s", "policy": "10-5", "rules": (), "persons": 90, "columns": columns, "rows": rows}
        made = [Release(id=site[-1] * 32, site=site, **parts).model_dump(mode="json") for site in ("site-a", "site-b")]
        return {"sites": {one["site"]: one for one in made}, "missing": {}}

    monkeypatch.setattr(_host, "call", call)
    html = tp.table("person").crosstab("sex", "race")._repr_mimebundle_()["text/html"]
    assert '<tr><th class="g" scope="row">F</th><td>40</td><td class="s">suppressed</td></tr>' in html
    assert html.count("<details>") == 3
