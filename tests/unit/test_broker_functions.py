"""Every function of the engine has a verdict, and nothing that is not allowed can be written."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from broker_world import World

from twinpane_broker.engine.store.local_runner import LocalRunner
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Plan
from twinpane_broker.sql import parse_sql
from twinpane_broker.sql.duck_tree import grammar
from twinpane_broker.sql.functions import ALLOWED, ENGINE, FORMS, PROCEDURES, Verdict, verdict_of, why_denied
from twinpane_broker.sql.functions_deny import DENIED, FAMILIES, INSTEAD, Why

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@pytest.fixture(scope="module")
def installed() -> set[tuple[str, str]]:
    """Kind and name of every function of the installed engine."""
    return set(duckdb.connect().execute("SELECT DISTINCT function_type, function_name FROM duckdb_functions()").fetchall())


def test_every_function_of_the_installed_engine_has_a_verdict(installed: set[tuple[str, str]]) -> None:
    """A new name after an upgrade has none, until somebody gives it one in functions.py or functions_deny.py."""
    assert len(installed) > 1_100
    assert sorted(one for one in installed if verdict_of(*one) is None) == []


def test_every_verdict_is_on_a_function_that_exists(installed: set[tuple[str, str]]) -> None:
    """A name that is gone is taken out of the lists."""
    listed = [(kind, name) for table in (ALLOWED, PROCEDURES) for kind, names in table.items() for name in names]
    listed += [(kind, name) for kind, whys in DENIED.items() for names in whys.values() for name in names]
    assert sorted(set(listed) - installed) == []
    assert len(set(listed)) == len(listed), "a name is in two lists"
    for kind, families in FAMILIES.items():
        for family in families:
            assert sum(one == kind and name.startswith(family) for one, name in installed) > 10


def test_a_name_that_nobody_listed_has_no_verdict() -> None:
    """Not even one that looks like a listed one."""
    assert verdict_of("scalar", "list_explode") is None
    assert verdict_of("table", "read_anything") is None
    assert verdict_of("aggregate", "sha256") is None
    assert verdict_of("scalar", "collate_tlh") is Verdict.deny


def test_every_reason_to_deny_says_what_to_write_instead() -> None:
    """In a sentence."""
    assert set(INSTEAD) == set(Why)
    assert all(text.endswith(".") for text in INSTEAD.values())


def calls(kind: str, name: str) -> list[str]:
    """Plausible ways to write a function into a query, none of them a form that a plan has for it."""
    quoted = name if WORD.fullmatch(name) else f'"{name}"'
    if kind == "pragma":
        return [f"pragma {quoted}", f"pragma {quoted}('t')", f"call {quoted}()"]
    if kind in ("table", "table_macro"):
        return [f"select count(*) from {quoted}('t')", f"select * from {quoted}()", f"select count(*) from t, {quoted}(t.a)"]
    if kind == "window":
        return [f"select {quoted}(a) over (order by b) from t", f"select {quoted}() over () from t", f"select {quoted}(a) from t"]
    if any(name.startswith(family) for family in FAMILIES.get(kind, ())):
        return [f"select count(*) from t where {quoted}(a) = 1"]
    wrong = [
        f"select count(*) from t where {quoted}(a) = 1",
        f"select {quoted}(a + 1) from t",
        f"select {quoted}(a, b, 1) from t",
        f"select {quoted}(a) filter (where b = 1), count(*) from t",
        f"select {quoted}(a) over () from t",
        f"select count(*) from t group by {quoted}(a, b, 1)",
    ]
    if verdict_of(kind, name) is not Verdict.allow and name not in FORMS:
        wrong += [f"select {quoted}(a) from t", f"select {quoted}(a, 0.5) from t", f"select {quoted}(a), count(*) from t group by 1"]
    if not WORD.fullmatch(name):
        wrong += [f"select a {name} 1, count(*) from t group by 1", f"select avg(a {name} 1) from t", f"select sum({name} a) from t"]
        # Two dates are taken from each other; the catalogue refuses other columns.
        wrong += [] if name == "-" else [f"select avg(a {name} b) from t"]
        wrong += [] if name in FORMS else [f"select count(*) from t where a {name} 'x'"]
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["aggregate", "scalar", "macro", "table", "table_macro", "pragma", "window"])
def test_nothing_denied_or_for_procedures_can_be_written(kind: str, installed: set[tuple[str, str]]) -> None:
    """Nothing that is denied or only for procedures can be written.

    All 1,100 functions, written into a query in every plausible place; allowed ones only fail where their form is wrong.
    """
    for name in sorted(name for one, name in installed if one == kind):
        for sql in calls(kind, name):
            with pytest.raises(Refused) as refused:
                parse_sql(sql)
            assert 10 < len(refused.value.reason) <= 600, sql


@pytest.mark.parametrize("name", sorted(FORMS))
def test_a_procedure_with_a_form_can_be_written_in_it(name: str) -> None:
    """And only names with the verdict have a form."""
    assert parse_sql(FORMS[name]).measures
    assert any(verdict_of(kind, name) is Verdict.procedure for kind in PROCEDURES)


@pytest.mark.parametrize("name", sorted(ALLOWED["aggregate"] - {"count", "count_star"}))
def test_an_allowed_aggregate_is_of_a_plain_column(name: str) -> None:
    """It can be written, of a column and of nothing else."""
    assert parse_sql(f"select {name}(a) from t").measures[0].column == "t.a"
    with pytest.raises(Refused, match="Arithmetic"):
        parse_sql(f"select {name}(a * 2) from t")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("select count(*) from stats('x')", "statistics"),
        ("select count(*) from t where sha256(a) = 'x'", "arbitrary groups"),
        ("select count(*) from t where list_sum(a) = 1", "lists"),
        ("select count(*) from query_table('t')", "runs text"),
        ("select count(*) from t where regexp_matches(a, 'x')", "IN ('"),
        ("select count(*) from t where datesub('day', a, b) > 3", "day >="),
        ("select lag(a) over (order by b) from t", "Window"),
    ],
)
def test_a_denied_function_is_refused_with_its_reason(sql: str, word: str) -> None:
    """Why, and what to write instead."""
    with pytest.raises(Refused, match=re.escape(word)):
        parse_sql(sql)


def test_what_the_engine_may_use_has_a_verdict(installed: set[tuple[str, str]]) -> None:
    """The broker's own statements use functions that somebody has looked at."""
    assert {name for _, name in installed} >= ENGINE
    assert all(why_denied("scalar", name) not in (Why.runs, Why.tells, Why.changes, Why.random) for name in ENGINE)


QUESTIONS = [
    "select sex, race, count(*), count(distinct person_id) from person group by cube (sex, race)",
    "select ward, avg(lactate), sum(lactate), stddev(lactate), median(lactate), variance(lactate) from visit group by 1",
    "select sex, ward, avg(lactate), quantile_cont(lactate, 0.25) from visit join person using (person_id) "
    "where age >= 40 and not race in ('a') and not (smoker = true or race is null) group by 1, 2",
    "select corr(age, weight) from person",
    "select sex, corr(weight, lactate) from visit join person using (person_id) group by 1",
    "select date_trunc('month', day), count(*), count(distinct person_id) from visit where lactate is not null group by 1",
    "select floor(age / 10) * 10, count(*), avg(weight) from person where smoker = true or race is null group by 1",
    "select floor(lactate / 5) * 5, ward, count(*) from visit where day >= '2019-03-01' and day < '2020-03-01' group by 1, 2",
    "select name, avg(dose), stddev(dose), median(dose) from drug join visit using (visit_id) group by 1",
    "select ward, 100 * count(distinct person_id) / sum(count(distinct person_id)) over () from visit group by 1",
    "select name, sum(dose), variance(dose) from drug join visit using (visit_id) where ward = 'er' group by 1",
    "select ward, quantile_cont(lactate, 0.75), median(lactate) from visit where ward <> 'day' group by 1",
    "select corr(dose, lactate) from drug join visit using (visit_id) where name = 'x'",
    "select race, avg(lactate) from visit join person using (person_id) where weight >= 60 group by 1",
]
COHORT = {
    "entry": {"events": [{"table": "visit", "where": {"op": "in", "column": "visit.ward", "codes": ["icu"]}, "first": True}]},
    "steps": [
        {
            "criteria": [
                {"kind": "happened", "event": {"table": "visit"}, "start": -30, "end": 300, "times": "at_most", "count": 3},
                {"kind": "indexed", "start": "2019-01-01"},
            ],
            "any": True,
            "first": True,
        },
        {"criteria": [{"kind": "aged", "low": 20, "birth": "visit.day"}], "exclude": True},
    ],
}
NODES = {
    *("BASE_TABLE", "CASE_EXPR", "COLUMN_REF", "COMPARE_BETWEEN", "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_GREATERTHAN"),
    *("COMPARE_GREATERTHANOREQUALTO", "COMPARE_IN", "COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO", "CONJUNCTION_AND", "CONJUNCTION_OR"),
    *("DISTINCT_MODIFIER", "FUNCTION", "JOIN", "OPERATOR_CAST", "OPERATOR_COALESCE", "OPERATOR_IS_NOT_NULL", "OPERATOR_IS_NULL"),
    *("OPERATOR_NOT", "ORDER_DEFAULT", "ORDER_MODIFIER", "SELECT_NODE", "SUBQUERY", "TYPE", "VALUE_CONSTANT", "VALUE_PARAMETER"),
}
"""What the broker's own statements are made of. No table function, no window, no star but over what it has chosen itself."""


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of a statement."""
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(child)
    if isinstance(tree, dict) and isinstance(tree.get("type"), str):
        yield tree


@pytest.fixture
def statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL that questions of every kind make the broker run."""
    world, run = World(tmp_path), []
    for method in ("rows", "batches"):
        own = getattr(LocalRunner, method)
        monkeypatch.setattr(LocalRunner, method, lambda self, sql, given, own=own: (run.append(sql), own(self, sql, given))[1])
    for sql in QUESTIONS:
        world.ask(sql)
    plain = {"table": "person", "measures": [{"kind": "persons"}], "group_by": [{"column": "person.sex"}]}
    world.broker.run(Plan.model_validate({**plain, "cohort": COHORT}))
    return run


@pytest.mark.slow
def test_the_brokers_statements_use_only_what_is_listed(statements: list[str]) -> None:
    """The broker's own statements use nothing but what is listed.

    Read back by the engine's own parser: functions of ``ENGINE``, and no other kind of node.
    """
    assert len(statements) > 20
    texts = "SELECT json_serialize_sql($1::VARCHAR)"
    used, kinds = set(), set()
    for statement in statements:
        tree = json.loads(grammar()._connection.execute(texts, [statement]).fetchone()[0])
        assert tree["error"] is False, statement
        found = list(nodes(tree))
        used |= {node["function_name"] for node in found if "function_name" in node}
        kinds |= {node["type"] for node in found}
    assert used <= ENGINE, sorted(used - ENGINE)
    assert kinds - {"STAR"} <= NODES, sorted(kinds - NODES)
    assert {"count_star", "sum", "max"} <= used
