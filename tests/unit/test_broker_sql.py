"""SQL becomes a plan or is refused by name; what is refused says what to write instead."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.catalogue import Catalogue, Column, Table
from twinpane_broker.errors import Refused
from twinpane_broker.plan import AllOf, AnyOf, Bin, Group, In, Join, MeasureKind, Missing, Not, Plan, Range, Window
from twinpane_broker.sql import parse_sql
from twinpane_broker.sql.refusals import REASONS

CATALOGUE = Catalogue(
    site="north",
    snapshot="2026-10",
    persons=1000,
    tables=(
        Table(
            name="person",
            person_key="person_id",
            columns=(Column(name="person_id", type="integer", role="key"), Column(name="sex", type="varchar", role="dimension")),
        ),
        Table(
            name="visit",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key", references="person.person_id"),
                Column(name="lactate", type="double", role="measure", bounds=(0, 20)),
            ),
        ),
    ),
)


def test_the_design_s_example() -> None:
    """Counts by sex."""
    plan = parse_sql("select sex, count(*) n from person group by sex")
    assert (plan.table, plan.group_by, plan.names) == ("person", (Group(column="person.sex"),), ("sex", "n"))
    assert [measure.kind for measure in plan.measures] == [MeasureKind.count]


def test_joins_aliases_and_all_measures() -> None:
    """Aliases of tables resolve, a join is one pair of keys whichever side it is written on."""
    plan = parse_sql(
        "SELECT p.sex AS s, count(*), count(DISTINCT p.person_id) AS persons, avg(v.lactate) FROM visit v "
        "INNER JOIN person AS p ON p.person_id = v.person_id GROUP BY p.sex"
    )
    assert plan.joins == (Join(table="person", left="visit.person_id", right="person.person_id"),)
    assert [measure.kind for measure in plan.measures] == [MeasureKind.count, MeasureKind.persons, MeasureKind.mean]
    assert plan.names == ("s", "count", "persons", "mean_lactate")


@pytest.mark.parametrize(
    ("where", "predicate"),
    [
        ("sex = 'F'", In(column="person.sex", codes=("F",))),
        ("'F' = sex", In(column="person.sex", codes=("F",))),
        ("sex <> 'F'", Not(term=In(column="person.sex", codes=("F",)))),
        ("sex NOT IN ('F', 'M')", Not(term=In(column="person.sex", codes=("F", "M")))),
        ("smoker = true", In(column="person.smoker", codes=(True,))),
        ("smoker IS false", In(column="person.smoker", codes=(False,))),
        ("race IS NULL", Missing(column="person.race")),
        ("race IS NOT NULL", Not(term=Missing(column="person.race"))),
        ("age >= 40 AND age < 65", Range(column="person.age", low=40, high=65)),
        ("40 <= age", Range(column="person.age", low=40)),
        ("age > 39", Range(column="person.age", low=39, above=True)),
        ("weight < -1.5e1", Range(column="person.weight", high=-15)),
        ("age BETWEEN 40 AND 64", Range(column="person.age", low=40, high=64, through=True)),
        ("day >= '2019-01-01' AND day < DATE '2020-01-01'", Window(column="person.day", start="2019-01-01", end="2020-01-01")),
        ("day BETWEEN '2019-01-01' AND '2019-12-31'", Window(column="person.day", start="2019-01-01", end="2019-12-31", through=True)),
        (
            "(sex = 'F' OR race = 'a') AND NOT (smoker = true)",
            AllOf(
                terms=(
                    AnyOf(terms=(In(column="person.sex", codes=("F",)), In(column="person.race", codes=("a",)))),
                    Not(term=In(column="person.smoker", codes=(True,))),
                )
            ),
        ),
    ],
)
def test_conditions(where: str, predicate: object) -> None:
    """Each comparison a plan can say, and how it reads."""
    assert parse_sql(f"select count(*) from person where {where}").where == predicate


@pytest.mark.parametrize("expression", ["date_trunc('quarter', day)", "DATE_TRUNC('QUARTER', visit.day)"])
def test_dates_group_by_their_bin(expression: str) -> None:
    """Month, quarter and year."""
    assert parse_sql(f"select {expression}, count(*) from visit group by 1").group_by == (Group(column="visit.day", bin=Bin.quarter),)
    assert parse_sql("select year(day) y, count(*) from visit group by y").group_by == (Group(column="visit.day", bin=Bin.year, label="y"),)


def test_order_and_limit_name_columns_of_the_result() -> None:
    """By label, by position and by the expression itself."""
    plan = parse_sql("select sex, count(*) n, avg(age) from person group by sex order by n desc, 1, avg(age) limit 5")
    assert [(order.by, order.descending) for order in plan.order_by] == [("n", True), ("sex", False), ("mean_age", False)]
    assert plan.limit == 5


def test_names_match_whatever_their_case_where_the_catalogue_is_known() -> None:
    """And a column of joined tables needs no table where only one has it."""
    plan = parse_sql("select SEX, avg(LACTATE) from VISIT join PERSON using (PERSON_ID) group by Sex", CATALOGUE)
    assert plan.tables == ("visit", "person")
    assert plan.names == ("sex", "mean_lactate")
    assert plan.joins[0].left == "visit.person_id"


REFUSED = {
    "select * from person": "SELECT *",
    "from person": "SELECT *",
    "select person_id from person": "measure",
    "select min(age) from person": "min() returns one person's value; use",
    "select max(age) from person": "max() returns one person's value; use",
    "select first(age) from person": "first()",
    "select last(age) from person": "last()",
    "select any_value(age) from person": "any_value()",
    "select arg_max(age, weight) from person": "arg_max()",
    "select mode(age) from person": "mode()",
    "select list(age) from person": "list()",
    "select array_agg(age) from person": "GROUP BY",
    "select string_agg(sex, ',') from person": "GROUP BY",
    "select histogram(age) from person": "histogram()",
    "select approx_top_k(age, 3) from person": "GROUP BY",
    "select product(age) from person": "product()",
    "select bit_xor(age) from person": "packs",
    "select bool_or(smoker) from person": "bool_or()",
    "select bool_and(smoker) from person": "bool_and()",
    "select sum(age * power(2, person_id)) from person": "pack many people's values",
    "select avg(age + 1) from person": "Arithmetic",
    "select avg(case when sex = 'F' then age end) from person": "CASE",
    "select avg(distinct age) from person": "DISTINCT",
    "select avg(age) filter (where person_id = 7) from person": "FILTER",
    "select count(*) filter (where person_id = 7) from person": "FILTER",
    "select count(age) from person": "count(*)",
    "select count(distinct sex, race) from person": "count(distinct person_id)",
    "select approx_count_distinct(person_id) from person": "count(distinct person_id)",
    "select count(*) over () from person": "Window functions",
    "select row_number() over (order by age) from person": "Window functions",
    "select distinct sex from person": "SELECT DISTINCT",
    "select distinct on (sex) sex, count(*) from person group by sex": "SELECT DISTINCT",
    "select sex, count(*) from person": "GROUP BY person.sex",
    "select sex, count(*) from person group by sex having count(*) < 5": "HAVING",
    "select count(*) from person qualify true": "QUALIFY",
    "select sex, count(*) from person group by sex order by age": "ORDER BY",
    "select sex, count(*) from person group by sex order by random()": "RANDOM",
    "select sex, count(*) from person group by sex limit 1 + 1": "LIMIT",
    "select sex, count(*) from person group by sex offset 1": "OFFSET",
    "select count(*) from person tablesample 10%": "TABLESAMPLE",
    "select count(*) from person using sample 10%": "TABLESAMPLE",
    "select count(*) from (select * from person)": "one SELECT",
    "select count(*) from person where age = (select 1)": "one SELECT",
    "select count(*) from person where age in (select 1)": "tp.cohort",
    "select count(*) from person where exists (select 1)": "one SELECT",
    "with p as (select * from person) select count(*) from p": "WITH",
    "select count(*) from person union all select count(*) from visit": "UNION",
    "select count(*) from person except select 1": "EXCEPT",
    "select count(*) from person intersect select 1": "INTERSECT",
    "select count(*) from person; select 1": "one SELECT",
    "": "one SELECT",
    "select 1": "FROM",
    "select count(*) from person, visit": "JOIN",
    "select count(*) from person cross join visit": "CROSS JOIN",
    "select count(*) from person left join visit using (person_id)": "LEFT JOIN",
    "select count(*) from person natural join visit": "NATURAL JOIN",
    "select count(*) from person positional join visit": "POSITIONAL JOIN",
    "select count(*) from person asof join visit using (person_id)": "ASOF JOIN",
    "select count(*) from person semi join visit using (person_id)": "SEMI JOIN",
    "select count(*) from person p join visit v on p.person_id > v.person_id": "equality",
    "select count(*) from person p join visit v on p.person_id = v.person_id + 1": "equality",
    "select count(*) from person p join visit v on p.person_id = v.person_id and v.ward = 'icu'": "equality",
    "select count(*) from person p join visit v using (person_id, day)": "one pair of keys",
    "select count(*) from person p join person q on p.person_id = q.person_id": "used twice",
    "select count(*) from read_parquet('/data/x.parquet')": "Reading files",
    "select count(*) from read_csv('/etc/passwd')": "Reading files",
    "select count(*) from glob('/*')": "GLOB",
    "select count(*) from query('select 1')": "QUERY",
    "select count(*) from query_table('person')": "QUERY_TABLE",
    "select count(*) from duckdb_settings()": "DUCKDB_SETTINGS",
    "select count(*) from information_schema.tables": "schema",
    "select count(*) from main.person": "schema",
    "select count(*) from unnest([1, 2])": "UNNEST",
    "select count(*) from (values (1))": "VALUES",
    "select count(*) from range(10)": "not part of a plan",
    "pivot person on sex using count(*)": "PIVOT",
    "summarize person": "SUMMARIZE",
    "describe person": "DESCRIBE",
    "show tables": "SHOW",
    "explain analyze select count(*) from person": "not a question",
    "pragma database_list": "PRAGMA",
    "set threads = 1": "SET",
    "copy person to '/tmp/x'": "COPY",
    "attach 'x.db'": "ATTACH",
    "create table x as select * from person": "CREATE",
    "insert into person values (1)": "INSERT",
    "update person set age = 1": "UPDATE",
    "delete from person": "DELETE",
    "drop table person": "DROP",
    "call pragma_version()": "not a question",
    "select count(*) into x from person": "INTO",
    "select count(*) from person for update": "FOR UPDATE",
    "select count(*) from person where sex like 'F%'": "LIKE",
    "select count(*) from person where sex ilike 'F%'": "ILIKE",
    "select count(*) from person where sex ~ 'F'": "Regular expressions",
    "select count(*) from person where regexp_matches(sex, 'F')": "Regular expressions",
    "select count(*) from person where sex similar to 'F'": "SIMILAR TO",
    "select count(*) from person where sex glob 'F*'": "GLOB",
    "select count(*) from person where substr(sex, 1, 1) = 'F'": "SUBSTRING",
    "select count(*) from person where lower(sex) = 'f'": "LOWER",
    "select count(*) from person where hash(person_id) % 2 = 0": "Arithmetic",
    "select count(*) from person where md5(sex) = 'x'": "MD5",
    "select count(*) from person where age / 0 > 1": "Arithmetic",
    "select count(*) from person where random() < 0.5": "random()",
    "select count(*) from person where cast(sex as int) = 1": "CAST",
    "select count(*) from person where sex::int = 1": "CAST",
    "select count(*) from person where try_cast(sex as int) = 1": "TRY_CAST",
    "select count(*) from person where error(sex) = 1": "ERROR",
    "select count(*) from person where age = weight": "Two columns",
    "select count(*) from person where age > sex": "Two columns",
    "select count(*) from person where smoker": "= true",
    "select count(*) from person where 1 = 1": "compares a column",
    "select count(*) from person where true": "not part of a plan",
    "select count(*) from person where sex = \"F\"": "Two columns",
    "select count(*) from person where sex in (F)": "single quotes",
    "select count(*) from person where sex = null": "IS NULL",
    "select count(*) from person where age > 'x'": "neither a number nor a date",
    "select count(*) from person where age > 1e999": "not a number",
    "select count(*) from person where day > '2019-02-30'": "calendar",
    "select count(*) from person where sex = $1": "Parameters",
    "select count(*) from person where sex = ?": "Parameters",
    "select count(*) from person where sex is distinct from 'F'": "not part of a plan",
    "select count(*) from person where rowid = 1 + 1": "Arithmetic",
    "select case when sex = 'F' then 1 end, count(*) from person group by 1": "CASE",
    "select count(*) from person group by case when sex = 'F' then 1 end": "CASE",
    "select age // 10, count(*) from person group by 1": "age // 10 * 10",
    "select month(day), count(*) from visit group by 1": "month, quarter or year",
    "select date_trunc('day', day), count(*) from visit group by 1": "month, quarter or year",
    "select extract(dow from day), count(*) from visit group by 1": "month, quarter or year",
    "select count(*) as \"n; drop table person\" from person": "label",
    "select columns(*) from person": "not part of a plan",
    "select count(*) from person p where q.sex = 'F'": "no table q",
    "select count(*), count(*) from person group by 7": "Position 7",
    "select (select 1), count(*) from person": "one SELECT",
    "select count(*) from person where list_contains(['F'], sex)": "not part of a plan",
    "select count(*) from person where sex = 'F' collate nocase": "COLLATE",
    "select sex, count(*) from person group by sex order by count(*) with ties": "can be read",
    "sel": "not part of a plan",
    "select count(* from person": "can be read",
}  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_everything_else_is_refused_by_name(sql: str) -> None:
    """The reason names the construct or says what to write instead, and is short enough to send."""
    with pytest.raises(Refused) as refused:
        parse_sql(sql)
    assert REFUSED[sql].casefold() in refused.value.reason.casefold(), refused.value.reason
    assert 10 < len(refused.value.reason) <= 600


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from person where " + " and ".join(["sex = 'F'"] * 9),
        "select count(*) from person where " + "not " * 6 + "sex = 'F'",
        "select count(*) from person where " + "not " * 20_000 + "sex = 'F'",
        "select count(*) from " + "(" * 20_000 + "person",
        "select count(*) from person where sex in (" + ",".join(f"'{i}'" for i in range(10_001)) + ")",
        "select " + "count(*), " * 12 + "count(*) from person",
        "select count(*) from person" + " " * 200_001,
    ],
)
def test_huge_queries_are_refused_not_crashed(sql: str) -> None:
    """Size and nesting are bounded."""
    with pytest.raises(Refused):
        parse_sql(sql)


def test_a_code_list_of_ten_thousand_is_one_term() -> None:
    """Medicine needs long code lists."""
    plan = parse_sql("select count(*) from person where code in (" + ",".join(str(i) for i in range(10_000)) + ")")
    assert len(plan.where.codes) == 10_000


FRAGMENTS = [
    *("select", "count(*)", "avg(age)", "sex", "from", "person", "where", "and", "or", "not", "(", ")", ",", "'F'", "=", "<", "5"),
    *("in", "group by", "order by", "limit", "join", "on", "having", "union", "*", "case when", "then", "end", "null", "is", "between"),
    *(";", "--", "/*", '"', "::int", "filter", "over", "date", "distinct", "as", ".", "$1", "[", "{"),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_plan_or_refused(text: str) -> None:
    """The front end never fails in another way."""
    with contextlib.suppress(Refused):
        assert isinstance(parse_sql(text), Plan)


def test_every_reason_says_what_to_do() -> None:
    """No reason is a bare no."""
    for construct, reason in REASONS.items():
        assert len(reason) > 25, construct
        assert reason.endswith("."), construct
