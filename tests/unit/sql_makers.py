"""Hypothesis strategies for SQL: queries that a plan can say, the same with a few tokens changed, token soup, and raw text."""

import re

from hypothesis import strategies as st

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table


def _table(name: str, *columns: tuple[str, str, str]) -> Table:
    key = Column(name="person_id", type="integer", role="key", references=None if name == "person" else "person.person_id")
    return Table(
        name=name,
        person_key="person_id",
        columns=(key, *(Column(name=n, type=t, role=r, bounds=(0, 200) if r == "measure" else None) for n, t, r in columns)),
    )


CATALOGUE = Catalogue(
    site="north",
    snapshot="2026-10",
    persons=1000,
    tables=(
        _table(
            "person",
            *(("sex", "varchar", "dimension"), ("race", "varchar", "dimension"), ("smoker", "boolean", "dimension")),
            *(("age", "integer", "measure"), ("weight", "double", "measure"), ("day", "date", "date")),
        ),
        _table("visit", ("ward", "varchar", "dimension"), ("lactate", "double", "measure")),
    ),
)

COLUMNS = ["age", "weight", "sex", "race", "p.age", '"sex"', "p.race", "day", "smoker", "SEX"]
MEASURES = [
    *("count(*)", "count(distinct person_id)", "COUNT(DISTINCT p.person_id)", "avg(age)", "mean(weight)", "sum(age)", "stddev(age)"),
    *("stddev_samp(age)", "var_samp(age)", "variance(weight)", "median(age)", "quantile_cont(age, 0.25)", "corr(age, weight)"),
    *("percentile_cont(0.9) within group (order by age)", "quantile_cont(age, .5)", "avg((age))", "avg(all age)"),
    *("count(1)", "count(person_id)", "round(avg(age), 1)", "cast(count(*) as int)", "coalesce(avg(age), 0)"),
    "avg(datediff('day', day, day))",
    "100.0 * count(distinct person_id) / sum(count(distinct person_id)) over ()",
    "100 * count(distinct person_id) / sum(count(distinct person_id)) over ()",
    "count(*) * 100.0 / sum(count(*)) over ()",
]
GROUPS = [
    *("sex", "race", "p.race", "floor(age / 10) * 10", "age // 5 * 5", "10 * floor(age / 10.0)", "date_trunc('month', day)"),
    *("year(day)", "extract(year from day)", "date_part('year', day)", "date_trunc('QUARTER', day::date)", "(sex)"),
    *("case when age < 18 then 'child' when age < 65 then 'adult' else 'old' end", "case sex when 'F' then 1 end"),
    "case when day < '2019-01-01' then true end",
]
VALUES = ["'F'", "'it''s'", "5", "-5", "1.5", "1e3", ".5", "5.", "true", "FALSE", "date '2020-01-01'", "'2020-01-01'", "1_000", "(5)", "''"]
PERSONS = [
    *("person_id in (select person_id from visit)", "p.person_id not in (select distinct person_id from visit where lactate >= 4)"),
    *("exists (select 1 from visit v where v.person_id = p.person_id and ward = 'icu')", "year(day) = 2019"),
    "extract(year from day) < 2020",
    *("person_id in (select person_id from visit group by person_id having count(*) >= 2)", "year(day) between 2018 and 2020"),
    "race in (select descendant_concept_id from concept_ancestor where ancestor_concept_id = 5)",
]
OPERATORS = ["=", "<>", "!=", "<", "<=", ">", ">=", "=="]
NOISE = [
    *("select", "from", "where", "and", "or", "not", "(", ")", ",", ".", ";", "*", "/", "//", "+", "-", "||", "=", "<", "::int", "::date"),
    *("'F'", "5", "null", "sex", "age", "person", "visit", "count(*)", "avg", "min", "filter", "over", "partition by", "within group"),
    *("order by", "group by", "limit", "offset", "having", "qualify", "distinct", "all", "as", "join", "left", "on", "using", "union"),
    *("case when", "then", "else", "end", "is", "in", "like", "between", "symmetric", "exists", "any", "cube", "rollup", "grouping sets"),
    *("--", "/*", "*/", '"', "'", "`", "$$", "$1", "?", "[", "]", "{", "}", ":", "@", "#", "\\", "\n", "\t", "\0", "\u00a0", "\ufeff", "ſ"),
    *("E'\\n'", "x'00'", "0x1F", "1e999", "interval", "current_date", "lambda", "->", "columns", "exclude", "values", "pivot", "with"),
    *("with x as (select distinct person_id from visit)", "left join visit v on v.person_id = p.person_id", "min(day)", "cdm.", "1 as one"),
    *("recursive", "lateral", "unnest", "tablesample", "nulls first", "collate", "try_cast", "cast", "percent", "fetch", "for update"),
]  # fmt: skip

keyword = st.sampled_from([str.upper, str.lower, str.title, str])


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    """One comparison of WHERE."""
    column, value = draw(st.sampled_from(COLUMNS)), draw(st.sampled_from(VALUES))
    shape = draw(st.integers(0, 7))
    if shape == 7:
        return draw(st.sampled_from(PERSONS))
    if shape == 0:
        listed = ", ".join(draw(st.lists(st.sampled_from(VALUES), min_size=draw(st.integers(0, 20)) and 1, max_size=3)))
        return f"{column} {draw(st.sampled_from(['in', 'not in', 'NOT  IN']))} ({listed})"
    if shape == 1:
        return f"{column} {draw(st.sampled_from(['between', 'not between']))} {value} and {draw(st.sampled_from(VALUES))}"
    if shape == 2:
        return f"{column} is {draw(st.sampled_from(['null', 'not null', 'true', 'false', 'NOT NULL']))}"
    if shape == 3:
        return f"{value} {draw(st.sampled_from(OPERATORS))} {column}"
    return f"{column} {draw(st.sampled_from(OPERATORS))} {value}"


conditions = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.builds("{} and {}".format, inner, inner),
        st.builds("{} OR {}".format, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("({})".format, inner),
    ),
    max_leaves=5,
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A SELECT that a plan can say, most of the time."""
    groups = draw(st.lists(st.sampled_from(GROUPS), max_size=3, unique=True))
    labels = [draw(st.sampled_from(["", "", f" as l{i}", f" l{i}"])) for i in range(len(groups))]
    items = [group + label for group, label in zip(groups, labels, strict=True)]
    items += draw(st.lists(st.sampled_from(MEASURES), min_size=1, max_size=4))
    if draw(st.integers(0, 5)) == 0:
        within = draw(st.sampled_from(groups or ["sex"]))
        items.append(f"100.0 * count(distinct person_id) / sum(count(distinct person_id)) over (partition by {within})")
    items = draw(st.permutations(items)) if draw(st.booleans()) else items
    text = f"{draw(keyword)('select')} {', '.join(items)} from person p"
    if draw(st.integers(0, 3)) == 0:
        text += draw(st.sampled_from([" join visit using (person_id)", " inner join visit v on v.person_id = p.person_id"]))
    if draw(st.booleans()):
        text += f" {draw(keyword)('where')} {draw(conditions)}"
    if groups:
        listed = ", ".join(groups)
        others = [" group by all", f" group by cube ({listed})", f" group by rollup ({listed})"]
        text += draw(st.sampled_from([f" group by {listed}"] * 4 + others))
        if draw(st.integers(0, 5)) == 0:
            text += draw(st.sampled_from([" having count(*) > 5", " having count(*) >= 5 and avg(age) < 40", " having l0 > 3"]))
    if draw(st.integers(0, 2)) == 0:
        text += f" order by {draw(st.sampled_from(['1', '1 desc', '1 asc nulls last', 'count(*) desc', 'sex', 'l0 asc']))}"
    if draw(st.integers(0, 2)) == 0:
        text += f" limit {draw(st.integers(1, 50))}"
    return text + draw(st.sampled_from(["", "", ";", " -- the end", "\n"]))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A query with a few tokens put in, taken out, doubled or swapped."""
    tokens = re.findall(r"'[^']*'|\w+|\s+|[^\w\s]", draw(queries()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                tokens.insert(place, f" {draw(st.sampled_from(NOISE))} ")
            case 1 if len(tokens) > 1:
                del tokens[place]
            case 2:
                tokens.insert(place, tokens[place])
            case 3:
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case _:
                tokens[place] = draw(st.sampled_from([*NOISE, *VALUES, *COLUMNS, *MEASURES, *GROUPS]))
    return "".join(tokens)


soup = st.lists(st.sampled_from([*NOISE, *MEASURES[:6], *GROUPS[:6]]), max_size=25).map(" ".join)
anything = st.one_of(mutated(), soup, st.text(max_size=80), queries())
