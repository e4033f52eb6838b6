"""A plan is closed, small, and the same bytes for the same question."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twinpane_broker.aggregates.registry import MeasureKind, measure_of
from twinpane_broker.question.plan import Bin, Group, Join, Order, Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Missing, Not, Range, Window

COUNT = measure_of(MeasureKind.count)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
refs = st.builds(lambda column: f"t.{column}", names)
code_values = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20))
leaf = st.one_of(
    st.builds(In, column=refs, codes=st.lists(code_values, min_size=1, max_size=5).map(tuple)),
    st.builds(Missing, column=refs),
    st.builds(Range, column=refs, low=st.floats(-1e9, 1e9)),
    st.builds(Window, column=refs, start=st.dates(date(1900, 1, 1), date(2100, 1, 1))),
)
predicate = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(AllOf, terms=st.lists(inner, min_size=1, max_size=2).map(tuple)),
        st.builds(AnyOf, terms=st.lists(inner, min_size=1, max_size=2).map(tuple)),
        st.builds(Not, term=inner),
    ),
    max_leaves=4,
)


@st.composite
def plans(draw: st.DrawFn) -> Plan | None:
    """Plans, and None for what the size limits refuse."""
    labels = draw(st.lists(names, min_size=3, max_size=3, unique=True))
    groups = draw(st.lists(st.tuples(refs, st.sampled_from([None, *Bin])), max_size=2, unique=True))
    try:
        return Plan(
            table="t",
            where=draw(st.none() | predicate),
            group_by=tuple(Group(column=c, bin=b, label=label) for (c, b), label in zip(groups, labels[:2], strict=False)),
            measures=(COUNT, measure_of(MeasureKind.mean, column=draw(refs), label=labels[2])),
            order_by=(Order(by=labels[2], descending=draw(st.booleans())),),
            limit=draw(st.none() | st.integers(1, 100)),
        )
    except ValidationError:
        return None


@pytest.mark.slow
@given(plans())
def test_a_plan_survives_its_own_json_with_the_same_hash(plan: Plan | None) -> None:
    """Encode and decode give the same plan, the same hash and the same question."""
    if plan is None:
        return
    again = Plan.model_validate_json(plan.canonical())
    assert again == plan
    assert (again.hash, again.question.hash) == (plan.hash, plan.question.hash)


fields = st.sampled_from(["table", "measures", "where", "op", "term", "terms", "codes", "column", "kind", "zz"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(fields, inner, max_size=5),
    max_leaves=20,
)


@given(anything)
def test_whatever_is_decoded_is_a_plan_or_a_validation_error(raw: object) -> None:
    """The decoder never fails in another way."""
    with contextlib.suppress(ValidationError):
        Plan.model_validate(raw)


def test_labels_order_and_limit_do_not_change_the_question() -> None:
    """Presentation is not part of what is asked."""
    plain = Plan(table="t", group_by=(Group(column="t.a"),), measures=(COUNT,))
    dressed = Plan(table="t", group_by=(Group(column="t.a", label="x"),), measures=(COUNT.model_copy(update={"label": "n"}),),
                   order_by=(Order(by="n"),), limit=3)  # fmt: skip
    assert plain.question == dressed.question
    assert plain.hash != dressed.hash


def test_order_and_repetition_of_codes_change_no_plan() -> None:
    """The order of codes and their repetition do not change the plan. A code set is a set; true and 1 are two codes."""
    one = In(column="t.a", codes=("b", 1, "a", True, "b"))
    assert one == In(column="t.a", codes=(True, "a", 1, "b"))
    assert len(one.codes) == 4
    assert one.codes[0] is True


@pytest.mark.parametrize("depth", [6, 500, 100_000])
def test_a_deep_predicate_is_refused_before_it_is_walked(depth: int) -> None:
    """A deeply nested predicate is refused before it is walked. Nesting is bounded, however deep the input."""
    raw: dict = {"op": "missing", "column": "t.a"}
    for _ in range(depth):
        raw = {"op": "not", "term": raw}
    with pytest.raises(ValidationError, match="deep"):
        Plan.model_validate({"table": "t", "where": raw, "measures": [{"kind": "count"}]})


def test_deeply_nested_json_is_refused() -> None:
    """So it is as bytes."""
    text = '{"table":"t","measures":[{"kind":"count"}],"where":' + '{"op":"not","term":' * 50_000 + "{}" + "}" * 50_001
    with pytest.raises(ValidationError):
        Plan.model_validate_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"where": {"op": "all", "terms": [{"op": "missing", "column": "t.a"}] * 9}},
        {"where": {"op": "all", "terms": [{"op": "any", "terms": [{"op": "missing", "column": "t.a"}] * 5}] * 2}},
        {"where": {"op": "in", "column": "t.a", "codes": list(range(10_001))}},
        {"where": {"op": "all", "terms": [{"op": "in", "column": "t.a", "codes": list(range(6_000))}] * 2}},
        {"group_by": [{"column": f"t.a{i}"} for i in range(5)]},
        {"measures": [{"kind": "count"}] * 13},
        {"measures": []},
        {"joins": [{"table": f"u{i}", "left": "t.k", "right": f"u{i}.k"} for i in range(4)]},
        {"limit": 0},
        {"limit": 10_001},
    ],
)
def test_a_plan_has_size_limits(change: dict) -> None:
    """Too many terms, codes, dimensions, measures, joins or rows are not a plan."""
    with pytest.raises(ValidationError):
        Plan.model_validate({"table": "t", "measures": [{"kind": "count"}], **change})


@pytest.mark.parametrize(
    "change",
    [
        {"table": 'person"; drop table person; --'},
        {"sql": "select 1"},
        {"group_by": [{"column": "a"}]},
        {"group_by": [{"column": "t.a.b"}]},
        {"group_by": [{"column": 't."a"'}]},
        {"group_by": [{"column": "t.a\n"}]},
        {"measures": [{"kind": "max", "column": "t.a"}]},
        {"measures": [{"kind": "mean"}]},
        {"measures": [{"kind": "count", "label": "x y"}]},
        {"measures": [{"kind": "count", "label": "<script>"}]},
        {"where": {"op": "sql", "text": "1=1"}},
        {"where": {"op": "range", "column": "t.a"}},
        {"where": {"op": "in", "column": "t.a", "codes": []}},
        {"order_by": [{"by": "nope"}]},
        {"joins": [{"table": "t", "left": "t.k", "right": "t.k"}]},
        {"joins": [{"table": "u", "left": "v.k", "right": "u.k"}]},
    ],
)
def test_what_is_not_a_plan_is_refused(change: dict) -> None:
    """Unknown fields, kinds and operators, text in place of names, self joins."""
    with pytest.raises(ValidationError):
        Plan.model_validate({"table": "t", "measures": [{"kind": "count"}], **change})


def test_a_plan_cannot_be_changed() -> None:
    """Plans are frozen."""
    plan = Plan(table="t", measures=(COUNT,))
    with pytest.raises(ValidationError):
        plan.table = "u"  # type: ignore[misc]


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    """Nothing that was worked out before clings to it."""
    plan = Plan(table="t", measures=(COUNT,))
    before = (plan.hash, plan.question.hash, plan.names)
    copy = plan.model_copy(update={"table": "u", "measures": (measure_of(MeasureKind.persons),)})
    assert copy.hash != before[0]
    assert copy.question.hash != before[1]
    assert copy.names != before[2]


def test_columns_without_labels_get_names_that_do_not_clash() -> None:
    """Two means of one column, a label that looks like a default name."""
    mean = measure_of(MeasureKind.mean, column="t.a")
    plan = Plan(table="t", measures=(mean, mean, COUNT.model_copy(update={"label": "mean_a"})))
    assert plan.names == ("mean_a_2", "mean_a_3", "mean_a")


@pytest.mark.slow
def test_joins_keep_their_tables() -> None:
    """A join names one key of each side."""
    join = Join(table="u", left="t.k", right="u.k")
    assert Plan(table="t", joins=(join,), measures=(COUNT,)).tables == ("t", "u")
