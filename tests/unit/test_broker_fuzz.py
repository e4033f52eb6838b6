"""Whatever is thrown at the SQL front end and at the plan's decoder is a plan or a refusal, soon, and the same plan for good."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sql_makers import CATALOGUE, anything, mutated, queries, soup

from twinpane_broker.check.resolve import check
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import MAX_PARTS, Plan
from twinpane_broker.sql import duck, glot, parse_sql
from twinpane_broker.sql.compose import compose
from twinpane_broker.sql.duck_tree import grammar
from twinpane_broker.sql.refusals import TWO_WAYS

SOON = 5.0
"""Seconds of the processor within which any text is answered."""
LONG = settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
SHORT = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def judged(text: str) -> Plan | None:
    """The plan of a text, None where it was refused; anything else fails. What is a plan stays the same plan."""
    begun = time.process_time()
    plan, reason = None, ""
    try:
        plan = parse_sql(text, CATALOGUE)
    except Refused as refusal:
        reason = refusal.reason
    if reason == TWO_WAYS:
        # The first parser read it; the second did not, or not so.
        assert compose(glot.read(text), CATALOGUE)
    assert len(reason) <= 600
    assert time.process_time() - begun < SOON
    if plan is not None:
        again = Plan.model_validate_json(plan.canonical())
        assert again == plan
        assert (again.hash, again.question.hash, again.names) == (plan.hash, plan.question.hash, plan.names)
        for read in (glot.read(text), duck.read(text, grammar())):
            assert compose(read, CATALOGUE).canonical() == plan.canonical()
        refusable(plan)
    return plan


def refusable(plan: Plan) -> None:
    """The site's judgement of a plan is a yes, or a refusal, and nothing else."""
    with contextlib.suppress(Refused):
        assert check(plan, CATALOGUE).cells is not None


@given(queries())
@SHORT
def test_queries_are_plans_or_refused(text: str) -> None:
    """And both parsers read a plan alike."""
    judged(text)


@given(mutated() | soup)
@SHORT
def test_broken_queries_are_plans_or_refused(text: str) -> None:
    """Tokens put in, left out, doubled, swapped, or thrown together."""
    judged(text)


@given(st.text(max_size=120) | st.text(alphabet="selct from()*,'\"=;-/[]{}$:\0\ud800\u202e٣", max_size=60))
@SHORT
def test_any_text_is_a_plan_or_refused(text: str) -> None:
    """Characters of any kind."""
    judged(text)


@pytest.mark.slow
@given(anything)
@LONG
def test_any_text_is_a_plan_or_refused_at_length(text: str) -> None:
    """The same for longer."""
    judged(text)


@pytest.mark.slow
@given(queries())
@settings(SHORT, max_examples=25)
def test_blanks_comments_and_case_of_keywords_change_nothing(text: str) -> None:
    """The plan is of what is said, not of how it is laid out."""
    plan = judged(text)
    if plan is not None and "--" not in text:
        laid_out = text.replace(" from ", "\n /* from */ FROM\t").replace(" and ", "  AND\n")
        assert judged(laid_out) == plan


WHERE = "select count(*) from person where "
MONSTERS = {
    "brackets": WHERE + "(" * 20_000 + "sex = 'F'" + ")" * 20_000,
    "brackets that one parser reads in two ways each": "select a from t group by " + "decimal(" * 10 + "a" + ")" * 10,
    "one bracket too many": WHERE + "(" * 11 + "sex = 'F'" + ")" * 11,
    "lists": WHERE + "[" * 5_000 + "1" + "]" * 5_000 + " = 1",
    "calls": WHERE + "f(" * 9_000 + "a" + ")" * 9_000 + " = 1",
    "nots": WHERE + "not " * 25_000 + "sex = 'F'",
    "signs": WHERE + "a = " + "- " * 25_000 + "1",
    "ands": WHERE + " and ".join(["a = 1"] * 7_000),
    "ors": WHERE + " or ".join(["a = 1"] * 7_000),
    "sums": WHERE + "+".join(["a"] * 14_000) + " = 1",
    "cases": WHERE + "case when " * 14_000,
    "casts": WHERE + "a" + "::int" * 9_000 + " = 1",
    "intervals": WHERE + "a = " + "interval " * 20_000,
    "lambdas": "select f(" + "x -> " * 9_000 + "1)",
    "joins": "select count(*) from t" + " join t on a = b" * 4_000,
    "unions": " union ".join(["select 1"] * 8_000),
    "items": "select " + ",".join(["count(*)"] * 6_000) + " from t",
    "a cube of many": "select count(*) from t group by cube (" + ",".join(f"a{i}" for i in range(5_000)) + ")",
    "a rollup of many": "select count(*) from t group by rollup (" + ",".join(f"a{i}" for i in range(5_000)) + ")",
    "many sets": "select count(*) from t group by grouping sets (" + ",".join(f"(a{i})" for i in range(5_000)) + ")",
    "a cube of forty": "select count(*) from t group by cube (" + ",".join(f"a{i}" for i in range(16)) + ")",
    "orders": "select count(*) from t order by " + ",".join(["1"] * 9_000),
    "codes": WHERE + "a in (" + ",".join(f"'{i}'" for i in range(14_000)) + ")",
    "a long name": "select " + "a" * 190_000 + " from t",
    "a long text": WHERE + "a = '" + "x" * 190_000 + "'",
    "a long number": WHERE + "a = " + "9" * 190_000,
    "a small number": WHERE + "a > 1e-" + "9" * 1_000,
    "quotes": "'" * 199_999,
    "double quotes": '"' * 199_999,
    "comments": "select count(*) from t " + "/*" * 90_000,
    "ends": ";" * 199_999,
    "blanks": "select count(*) from person" + " " * 172_000,
    "nul": "select count(*) from person\0",
    "half a character": WHERE + "a = '\ud800'",
    "two hundred thousand and one": "x" * 200_001,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MONSTERS)
def test_monsters_are_answered_soon(name: str) -> None:
    """Deep nesting, long lists, 200 KB, NUL and halves of characters."""
    judged(MONSTERS[name])


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(10**30), st.just("t.a"), st.just([]), st.just({}),
    st.sampled_from(["in", "all", "any", "not", "range", "window", "missing", "count", "share", "quantile", "month", "2019-01-01"]),
)  # fmt: skip
NAMES = st.sampled_from([
    *("table", "measures", "where", "op", "term", "terms", "codes", "column", "kind", "group_by", "bin", "width", "label", "joins", "left"),
    *("right", "order_by", "by", "limit", "margins", "percent", "other", "within", "low", "high", "start", "end", "cohort", "entry"),
    *("events", "steps", "criteria", "descendants", "items", "code", "zz", "case", "arms", "category", "otherwise", "having"),
    *("differences", "since", "until", "ending"),
])  # fmt: skip
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=25)
COHORT = {
    "entry": {"events": [{"table": "drug", "where": {"op": "in", "column": "drug.name", "codes": ["x"], "descendants": True}}]},
    "steps": [
        {"criteria": [{"kind": "aged", "low": 40}, {"kind": "happened", "event": {"table": "visit"}, "start": -30, "end": 0}], "any": True},
        {"criteria": [{"kind": "indexed", "start": "2019-01-01"}], "exclude": True},
    ],
}
DUMPS = [
    parse_sql(sql, CATALOGUE).model_dump(mode="json")
    for sql in (
        "select sex, count(*) n from person where (sex in ('F', 'M') or age > 5) and not day >= '2019-01-01' group by 1 order by n limit 9",
        "select date_trunc('month', day), floor(age / 5) * 5, corr(age, weight), median(age) from person group by cube (1, 2)",
        "select race, 100 * count(distinct person_id) / sum(count(distinct person_id)) over (partition by race) from person group by race",
        "select case when age < 20 then 'x' else 'y' end, count(*) n from person where person_id not in (select person_id from visit where "
        "ward = 'icu') group by 1 having n > 5",
        "select avg(datediff('day', day, day)) from person",
        "select ward, avg(lactate) from visit join person using (person_id) where race is null group by ward",
    )
]
DUMPS.append({"table": "person", "measures": [{"kind": "persons"}], "cohort": COHORT})


@st.composite
def changed_plans(draw: st.DrawFn) -> Any:
    """The JSON of a plan with a few places replaced, taken out, or put in."""
    plan = json.loads(json.dumps(draw(st.sampled_from(DUMPS))))
    for _ in range(draw(st.integers(0, 3))):
        node, path = plan, []
        while isinstance(node, dict | list) and node and (not path or draw(st.booleans())):
            key = draw(st.sampled_from(sorted(node))) if isinstance(node, dict) else draw(st.integers(0, len(node) - 1))
            path.append((node, key))
            node = node[key]
        if not path:
            continue
        parent, key = path[-1]
        match draw(st.integers(0, 3)):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, list):
                parent.extend([node] * draw(st.integers(1, 20)))
            case 2 if isinstance(parent, dict):
                parent[draw(NAMES)] = draw(JSON)
            case _:
                parent[key] = draw(JSON | st.just(node))
    return plan


def decoded(raw: Any) -> None:
    """The plan of a JSON value, or a validation error; what is a plan stays the same plan, and is judged by the site."""
    begun = time.process_time()
    plan = None
    with contextlib.suppress(ValidationError):
        plan = Plan.model_validate_json(json.dumps(raw))
    assert time.process_time() - begun < SOON
    if plan is None:
        return
    again = Plan.model_validate_json(plan.canonical())
    assert again.canonical() == plan.canonical()
    assert (again.hash, again.question.hash) == (plan.hash, plan.question.hash)
    refusable(plan)


@pytest.mark.slow
@given(changed_plans() | JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_json_is_a_plan_or_a_validation_error(raw: Any) -> None:
    """Plans with a few changes, and JSON of any kind."""
    decoded(raw)


@pytest.mark.slow
@given(changed_plans() | JSON)
@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_json_is_a_plan_or_a_validation_error_at_length(raw: Any) -> None:
    """The same for longer."""
    decoded(raw)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@SHORT
def test_any_bytes_are_a_plan_or_a_validation_error(raw: bytes) -> None:
    """JSON or not."""
    with pytest.raises(ValidationError):
        Plan.model_validate_json(raw)


COUNT = {"table": "t", "measures": [{"kind": "count"}]}
SWARMS = {
    "measures": {**COUNT, "measures": [{}] * 200_000},
    "joins": {**COUNT, "joins": [{}] * 200_000},
    "groups": {**COUNT, "group_by": [{"column": f"t.a{i}"} for i in range(50_000)]},
    "orders": {**COUNT, "order_by": [{"by": "count"}] * 200_000},
    "codes": {**COUNT, "where": {"op": "in", "column": "t.a", "codes": list(range(500_000))}},
    "codes that are lists": {**COUNT, "where": {"op": "in", "column": "t.a", "codes": [[]] * 10_000}},
    "terms": {**COUNT, "where": {"op": "all", "terms": [{"op": "missing", "column": "t.a"}] * 100_000}},
    "fields": {**COUNT, **{f"k{i}": 1 for i in range(200_000)}},
    "columns of a share": {**COUNT, "measures": [{"kind": "share", "within": ["t.a"] * 200_000}]},
    "steps of a cohort": {**COUNT, "cohort": {**COHORT, "steps": [{}] * 100_000}},
    "events of a cohort": {**COUNT, "cohort": {"entry": {"events": [{}] * 100_000}}},
    "a long name": {**COUNT, "table": "a" * 5_000_000},
    "a long label": {"table": "t", "measures": [{"kind": "count", "label": "a" * 64}]},
    "a large code": {**COUNT, "where": {"op": "in", "column": "t.a", "codes": [10**4_000]}},
    "a long code": {**COUNT, "where": {"op": "in", "column": "t.a", "codes": ["x" * 201]}},
}


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("name", SWARMS)
def test_swarms_are_refused_soon_and_with_few_words(name: str) -> None:
    """Long lists are refused before their entries are looked at; names and codes are bounded."""
    text = json.dumps(SWARMS[name])
    begun = time.process_time()
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate_json(text)
    assert time.process_time() - begun < SOON
    assert refused.value.error_count() < MAX_PARTS
