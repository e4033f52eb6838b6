"""The builder: what each step puts into the plan, and what it refuses by name."""

from datetime import date

import numpy as np
import pytest

import twinpane as tp
from twinpane import _host
from twinpane.ask import question
from twinpane_broker.question.plan import Plan
from twinpane_broker.sql import parse_sql


@pytest.fixture
def plan(monkeypatch):
    """The plan that a finished question would send."""

    class Asked(Exception):
        pass

    def ask(made):
        raise Asked(made)

    monkeypatch.setattr(question, "asked", ask)

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
        (lambda q: q.where(w=slice(1, 9, 2)), "slice"),
        (lambda q: q.where(w={"a": 1}), "is a code"),
        (lambda q: q.quantiles("age", (25, 99)), "5, 10, 25, 50, 75, 90, 95"),
        (lambda q: q.quantiles("age", (0.5,)), "0.5 is 50"),
        (lambda q: q.measures("mode"), "no measure 'mode'"),
        (lambda q: q.measures("mean"), "mean=“column”"),
        (lambda q: q.measures(max="age"), "no measure 'max'"),
        (lambda q: q.measures(mean=3), "named as text"),
        (lambda q: q.measures(correlation="age"), "of two columns"),
        (lambda q: q.measures(), "measures"),
        (lambda q: q.mean(), "named as text"),
        (lambda q: q.correlation("age", "no such name"), "cannot be asked"),
        (lambda q: q.share(within="sex"), "grouped columns only"),
        (lambda q: q.totals().count(), "totals need groups"),
        (lambda q: q.group_by("sex").order_by("n").count(), "no column n"),
        (lambda q: q.limit(0).count(), "cannot be asked"),
        (lambda q: q.group_by(age=0).count(), "cannot be asked"),
        (lambda q: q.crosstab("sex", "race", share="cells"), "rows, the columns or all"),
        (lambda q: q.crosstab("sex", "race", share="rows", values="age"), "not both"),
        (lambda q: q.group_by("x").crosstab("sex", "race"), "by two columns"),
        (lambda q: q.crosstab("sex", "race", age=10), "neither the rows nor the columns"),
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


def test_half_open_intervals_are_slices(plan):
    """As everywhere in Python: from the first, to below the second."""
    assert where(plan, weight=slice(50, 80)) == {"column": "person.weight", "low": 50.0, "high": 80.0}
    assert where(plan, d=slice("2019-01-01", "2020-01-01")) == {"column": "person.d", "start": "2019-01-01", "end": "2020-01-01"}
    assert where(plan, weight=slice(None, 80)) == {"column": "person.weight", "high": 80.0}


def test_alternatives_and_exceptions_are_part_of_a_question(plan):
    """OR of conditions that hold together, and NOT of them."""
    made = plan(lambda: tp.table("person").where_any({"sex": "F", "age": (50, None)}, smoker=True).where_not(race="x").count())
    said = "select count(*) from person where ((person.sex = 'F' and person.age >= 50) or person.smoker = true) and not person.race = 'x'"
    assert made.where == parse_sql(said).where
    assert plan(tp.table("person").where_any().where_not().count).where is None


def test_codes_bring_those_below_them_along_where_that_is_asked(plan):
    """The site's vocabulary says which these are."""
    made = plan(tp.table("condition").where_below(concept=[201826, 4]).where(sex="F").count).where
    assert [(term.codes, term.descendants) for term in made.terms] == [((4, 201826), True), (("F",), False)]
    with pytest.raises(tp.Refused, match="compared with something else"):
        tp.table("condition").where_below(age=(40, 64))


def test_measures_group_in_bins_of_a_width(plan):
    """``age=10``: bins of ten years."""
    made = plan(lambda: tp.table("person").group_by("sex", age=10, weight=np.float64(2.5)).count())
    assert [(group.column, group.width) for group in made.group_by] == [("person.sex", None), ("person.age", 10), ("person.weight", 2.5)]


def measured(plan, step):
    """(kind, column, what it needs) of each measure that a question ends with."""
    return [(str(m.kind), m.column and m.column.partition(".")[2], m.percent or m.other or m.within) for m in plan(step).measures]


def test_every_measure_of_the_plan_can_be_asked(plan):
    """One step each."""
    t = tp.table("person").group_by("sex")
    assert measured(plan, t.count) == [("count", None, ())]
    assert measured(plan, lambda: t.share()) == [("share", None, ())]
    assert measured(plan, lambda: t.share(within="sex")) == [("share", None, ("person.sex",))]
    assert measured(plan, lambda: t.mean("age", "weight")) == [("mean", "age", ()), ("mean", "weight", ())]
    assert measured(plan, lambda: t.sum("age")) == [("sum", "age", ())]
    assert measured(plan, lambda: t.median("age")) == [("quantile", "age", 50)]
    assert measured(plan, lambda: t.quantiles("age")) == [("quantile", "age", p) for p in (25, 50, 75)]
    assert measured(plan, lambda: t.correlation("age", "weight")) == [("correlation", "age", "person.weight")]


def test_spreads_bring_their_means_along(plan):
    """Without the means, sites could not be pooled."""
    assert measured(plan, lambda: tp.table("person").sd("age")) == [("mean", "age", ()), ("sd", "age", ())]
    assert measured(plan, lambda: tp.table("person").var("age")) == [("mean", "age", ()), ("var", "age", ())]


def test_several_measures_are_one_question(plan):
    """In the order they were written."""
    asked = measured(plan, lambda: tp.table("person").measures(
        "persons", mean=["age", "weight"], median="age", p95="age", quantiles={"weight": (25, 75)}, correlation=("age", "weight"),
        share=None,
    ))  # fmt: skip
    assert [kind for kind, _, _ in asked] == ["persons", "mean", "mean", *["quantile"] * 4, "correlation", "share"]
    assert [percent for kind, _, percent in asked if kind == "quantile"] == [50, 95, 25, 75]


def test_crosstabs_ask_for_totals_shares_or_means(plan):
    """One plan each, with totals unless they are not wanted."""
    t = tp.table("person")
    plain, shares = plan(lambda: t.crosstab("sex", "race")), plan(lambda: t.crosstab("sex", "race", share="columns", margins=False))
    assert (plain.margins, str(plain.measures[0].kind)) == (True, "persons")
    assert (shares.margins, shares.measures[0].within) == (False, ("person.race",))
    assert plan(lambda: t.crosstab("sex", "race", share="all")).measures[0].within == ()
    assert plan(lambda: t.crosstab("sex", "age", age=10, values="weight")).measures[0].column == "person.weight"


def test_top_level_shortcuts_ask_the_same(plan):
    """``tp.crosstab(table, …)`` is ``tp.table(table).crosstab(…)``, narrowed and split in the same call."""
    t = tp.table("person")
    assert plan(lambda: tp.crosstab("person", "sex", "race", share="rows")) == plan(lambda: t.crosstab("sex", "race", share="rows"))
    assert plan(lambda: tp.histogram("person", "age", 5, by="sex")) == plan(lambda: t.group_by("sex").histogram("age", 5))
    assert plan(lambda: tp.quantiles("person", "age", (5, 95), by=["sex", "race"])) == plan(
        lambda: t.group_by("sex", "race").quantiles("age", (5, 95))
    )
    narrowed = plan(lambda: tp.correlation("person", "age", "weight", where={"sex": "F"}, by={"birth": "year"}))
    assert narrowed == plan(lambda: t.where(sex="F").group_by(birth="year").correlation("age", "weight"))
    assert plan(lambda: tp.describe("person", "age")) == plan(lambda: t.describe("age"))


def test_a_cohort_narrows_a_question_either_way(plan):
    """``cohort=`` and ``.cohort(…)``: the plan carries its definition."""
    from twinpane_broker.question.cohort import Cohort, Entry, Event

    cohort = Cohort(entry=Entry(events=(Event(table="condition_occurrence"),)))
    assert plan(tp.table("person", cohort=cohort).count).cohort == cohort
    assert plan(tp.table("person", cohort=cohort).count) == plan(tp.table("person").cohort(cohort).count)


def test_a_question_is_not_walked_through():
    """``list(t)`` would never end: items are column names, not numbers."""
    with pytest.raises(TypeError):
        list(tp.table("person"))


def test_a_crosstab_counts_persons_and_shows_a_grid(monkeypatch):
    """Rows by columns, pooled first, sites folded below."""
    from twinpane_broker.aggregates.value import Value
    from twinpane_broker.question.category import Category
    from twinpane_broker.release.release import Release, ReleasedColumn, Row

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


@pytest.mark.parametrize("ask", [
    lambda t, **by: t.histogram("age", 5, **by),
    lambda t, **by: t.quantiles("age", **by),
    lambda t, **by: t.describe("age", **by),
    lambda t, **by: t.correlation("age", "weight", **by),
])  # fmt: skip
@pytest.mark.parametrize(("by", "groups"), [("sex", ("sex",)), (["sex"], ("sex",)), ({"birth": "year"}, {"birth": "year"})])
def test_what_splits_a_call_splits_a_builders_step(plan, ask, by, groups):
    """``by=`` is taken by ``t.histogram`` as by ``tp.histogram``: whoever learned the one writes the other."""
    t = tp.table("person")
    split = t.group_by(**groups) if isinstance(groups, dict) else t.group_by(*groups)
    assert plan(lambda: ask(t, by=by)) == plan(lambda: ask(split))


def test_named_days_are_found_whichever_table_they_are_of(plan):
    """Days between two dates of a joined table have the name that they were given, and no table before it."""
    t = tp.table("lab").join("person", "person_id").days("wait", "person.birth", "person.died")
    asked = plan(lambda: t.group_by(wait=1000).mean("wait"))
    assert [group.column for group in asked.group_by] == ["person.wait"]
    assert [measure.column for measure in asked.measures] == ["person.wait"]


def test_a_name_of_days_that_is_none_says_how_it_is_written():
    """A clinician writes words with spaces: the refusal shows the name with which it goes."""
    with pytest.raises(tp.Refused, match=r"'length of stay' is no name: .*, as length_of_stay"):
        tp.table("person").days("length of stay", "birth", "died")
