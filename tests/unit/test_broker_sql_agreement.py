"""Two parsers read every query; only what both read alike is asked."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from pydantic import ValidationError
from test_broker_sql import REFUSED

from twinpane_broker.errors import Refused
from twinpane_broker.sql import duck, glot, parse_sql
from twinpane_broker.sql.compose import compose
from twinpane_broker.sql.duck_tree import Unread, grammar, opened

TWO = "read in two ways"

ASKED = [
    "select sex, count(*) n from person group by sex",
    "SELECT p.sex AS s, COUNT(DISTINCT p.person_id) FROM visit v INNER JOIN person AS p ON p.person_id = v.person_id GROUP BY 1",
    "select count(*) from visit join person using (person_id) join drug d on (d.visit_id = visit.visit_id)",
    "select count(*) from person where not sex = 'F' and age > 5 or smoker = true",
    "select count(*) from person where not (sex = 'F' and age > 5) or smoker = true and race in ('a', 'it''s')",
    "select count(*) from person where sex not in ('F') and not race not in ('a') and not smoker is null",
    "select count(*) from person where age >= 1 and (age < 5 and age >= 2)",
    "select count(*) from person where (age >= 1 and age < 5) and age >= 2",
    "select count(*) from person where age not between 1 and 5 and weight between -1.5e1 and .5",
    "select count(*) from person where day > '2019-01-01'::date and day <= cast('2020-01-01' as DATE) and day <> date '2019-05-01'",
    "select count(*) from person where age >= 1_000 and age = -5 and age <> - 5 and 5. <= age",
    "select count(*) from person where smoker is true or smoker is false",
    "select count(*) from person where sex == 'F' and 'F' != race",
    "select count(*) from person where ((sex)) = (('F'))",
    'select "sex", count(*) as "n" from "person" group by "sex"',
    "select count(*) from person -- to the end",
    "select count(*) /* between */ from /* -- */ person;",
    "select count(*) from person where a = 'x' /* /* */ ' */",
    "from person select count(*)",
    "select n: count(*) from person",
    "select date_trunc('month', day) m, count(*) from visit group by m order by m desc nulls last limit 5",
    "select DATE_TRUNC('QUARTER', day::date), count(*) from visit group by all",
    "select datetrunc('year', visit.day), count(*) from visit group by 1",
    "select extract(year from day), count(*) from visit group by year(day) order by date_part('year', day)",
    "select floor(age / 10) * 10 band, count(*) from person group by band order by band",
    "select 10 * (age // 10), avg(weight) from person group by 1",
    "select floor((age) / 2.5) * 2.50, count(*) from person group by 1",
    "select sum(age), mean(age), stddev(age), stddev_samp(age), variance(age), var_samp(age), median(age) from person",
    "select quantile_cont(age, 0.25), quantile_cont(age, .5), percentile_cont(0.90) within group (order by age asc) from person",
    "select corr(age, weight) from person",
    "select sex, 100.0 * count(distinct person_id) / sum(count(distinct person_id)) over () from person group by sex",
    "select sex, (100 * count(distinct person_id)) / sum(count(distinct person_id)) over (partition by sex) s from person group by 1",
    "select sex, count(distinct person_id) * 100.0 / sum(count(distinct person_id)) over () from person group by sex",
    "select sex, race, count(*) from person group by cube (sex, race)",
    "select sex, count(*) from person group by rollup (1)",
    "select sex, count(*) from person group by grouping sets ((), (sex))",
    "select sex, count(*) from person group by grouping sets ((sex))",
]  # fmt: skip


@pytest.mark.parametrize("sql", ASKED)
def test_both_readings_come_to_the_same_plan(sql: str) -> None:
    """Operators, parentheses, quotes, casts, numbers, comments and case mean the same to both."""
    first, second = compose(glot.read(sql), None), compose(duck.read(sql, grammar()), None)
    assert first.canonical() == second.canonical()
    assert parse_sql(sql) == first


@pytest.mark.parametrize("sql", REFUSED)
def test_the_second_parser_alone_refuses_what_the_first_does(sql: str) -> None:
    """The second parser alone refuses what the first one refuses, so a hole in one of them is not a hole in both."""
    with pytest.raises((Unread, Refused, ValidationError)):
        compose(duck.read(sql, grammar()), None)


@pytest.mark.parametrize(
    "sql",
    [
        "select sex,, count(*) from person group by sex",
        "select , count(*) from person",
        "select sex as , count(*) from person group by sex",
        "select count(*) from person where age = + 5",
        "select stdev(age) from person",
        "select variance_samp(age) from person",
        "select quantile_cont(age,, 0.5) from person",
        "select percentile_cont(age, 0.25) from person",
        "select date_trunc(month, day), count(*) from visit group by 1",
        "select count(*) from person where age notnull = true",
        "select count(distinct , person_id) from person",
    ],
)
def test_what_only_one_parser_reads_is_refused(sql: str) -> None:
    """With one static reason, whichever it was."""
    with pytest.raises(Refused):
        parse_sql(sql)
    readings = []
    for read in (lambda: compose(glot.read(sql), None), lambda: compose(duck.read(sql, grammar()), None)):
        try:
            readings.append(read().canonical())
        except (Refused, Unread, ValidationError):
            readings.append(None)
    assert None in readings


def test_a_name_that_needs_as_is_spoken_of() -> None:
    """DuckDB reads no name like days or decade without AS; the refusal says so."""
    with pytest.raises(Refused, match=r"without AS before it"):
        parse_sql("select count(*) days from person")


@pytest.mark.parametrize("misread", [glot, duck])
def test_a_misreading_of_either_parser_is_caught(misread: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here one of them loses a condition."""
    asked, plain = "select count(*) from person where sex = 'F'", "select count(*) from person"
    read = misread.read
    monkeypatch.setattr(misread, "read", lambda text, *rest: read(plain, *rest))
    with pytest.raises(Refused, match=TWO):
        parse_sql(asked)


def test_true_is_not_one_and_one_is_not_one_point_nought(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are compared as the bytes that are hashed, not as Python compares numbers."""
    read = duck.read
    for one, other in (("true", "1"), ("1", "1.0")):
        monkeypatch.setattr(duck, "read", lambda text, *rest, one=one, other=other: read(text.replace(one, other), *rest))
        with pytest.raises(Refused, match=TWO):
            parse_sql(f"select count(*) from person where a = {one}")


def test_a_node_with_something_unknown_in_it_is_not_followed() -> None:
    """What the engine learns tomorrow is refused; fields that are empty say nothing."""
    column = {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": 7, "column_names": ["a"]}
    assert opened(column, "COLUMN_REF", "column_names")
    assert opened({**column, "new": None, "newer": [], "newest": False}, "COLUMN_REF", "column_names")
    for more in ({"new": "x"}, {"alias": "x"}, {"type": "STAR"}, {"new": 0}, {"new": {}}):
        with pytest.raises(Unread):
            opened({**column, **more}, "COLUMN_REF", "column_names")


@pytest.mark.parametrize("field", ["sample", "qualify", "having", "cte_map", "modifiers", "group_sets", "aggregate_handling", "brand_new"])
def test_every_part_of_a_select_counts(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SELECT with one more part than was written is refused."""
    tree = grammar().statement("select count(*) from person")
    monkeypatch.setattr(type(grammar()), "statement", lambda _self, _text: {**tree, field: {"type": "SOMETHING"}})
    with pytest.raises(Refused, match=TWO):
        parse_sql("select count(*) from person")


@pytest.mark.parametrize(
    "tree",
    [None, [], "x", {}, {"type": "SELECT_NODE"}, {"type": "SELECT_NODE", "select_list": 3, "from_table": None}, {"type": ["SELECT_NODE"]}],
)
def test_a_tree_of_another_shape_is_refused_not_crashed_on(tree: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine answers."""
    monkeypatch.setattr(type(grammar()), "statement", lambda _self, _text: tree)
    with pytest.raises(Refused, match=TWO):
        parse_sql("select count(*) from person")


@pytest.mark.parametrize(
    "door",
    [
        *("SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM glob('/*')", "COPY (SELECT 1) TO '/tmp/x'", "ATTACH '/tmp/x.db'"),
        *("SET threads = 4", "RESET lock_configuration", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true"),
    ],
)
def test_the_engine_that_parses_can_reach_nothing(door: str) -> None:
    """It is locked down, though a text is never run by it."""
    with pytest.raises(duckdb.Error):
        grammar()._connection.execute(door)


def test_a_text_is_parsed_and_not_run() -> None:
    """Not even where it would make something."""
    for text in ("create table made as select 1", "select 1; create table made as select 1"):
        with pytest.raises(Unread):
            grammar().statement(text)
    assert grammar()._connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


def test_many_threads_may_parse_at_once() -> None:
    """Each gets its own plan."""
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda i: parse_sql(f"select count(*) from person limit {i + 1}"), range(40)))
    assert [plan.limit for plan in plans] == list(range(1, 41))


def test_a_forked_child_parses_too() -> None:
    """With an engine of its own."""
    parse_sql("select count(*) from person")
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            os._exit(0 if parse_sql("select count(*) from visit").table == "visit" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
