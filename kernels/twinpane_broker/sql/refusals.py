"""What SQL can say and a plan cannot: each construct by name, with why and what to write instead."""

from .functions import why_denied
from .functions_deny import DENIED, INSTEAD

ONE_VALUE = "returns one person's value"
MANY_VALUES = "returns many persons' values"
SUBQUERY = "A plan has one SELECT. Write one question per query and combine the released tables afterwards."

PERSONS = (
    "A SELECT in brackets chooses persons: person_id IN (SELECT person_id FROM table WHERE …), or EXISTS (SELECT 1 FROM table t WHERE "
    "t.person_id = person.person_id AND …), or a tp.cohort(…)."
)
DERIVED = (
    "A SELECT in brackets, or in WITH, chooses rows and columns of tables, or persons (SELECT DISTINCT person_id …). "
    "Numbers of groups are released as they are: ask for them by themselves, and combine the released tables afterwards."
)
MIXED = (
    "A condition on persons (IN (SELECT …), EXISTS) stands beside other conditions with AND: OR takes conditions of one kind alone. Write "
    "each as one on persons: p.person_id IN (SELECT person_id FROM person WHERE age >= 80) OR p.person_id IN (SELECT …)."
)
CONCEPT = (
    "Of the table concept a plan knows concept_id and concept_name, which are the code and its label in the catalogue; of concept_ancestor "
    "the codes below one: JOIN concept_ancestor a ON a.descendant_concept_id = t.…_concept_id WHERE a.ancestor_concept_id = 1."
)
LEFT = (
    "LEFT JOIN is part of a plan where it finds persons without rows: LEFT JOIN t ON t.person_id = p.person_id AND … WHERE t.person_id IS "
    "NULL; and to concept, for names. How many have rows is a question beside that of all: … WHERE person_id IN (SELECT person_id FROM t)."
)
SHARE = (
    "A share is written in one way: 100.0 * count(distinct person_id) / sum(count(distinct person_id)) OVER (), or with OVER (PARTITION BY "
    "dimension) for shares within its categories. It counts persons, so count(*) may stand there on a table with one row per person; for "
    "shares of rows divide the released counts (.frame())."
)
SHARE_OF_ROWS = (
    "sum(count(distinct person_id)) OVER () adds up over {column}, and a person may be in several of its categories ({table} has several "
    "rows of a person): the sum is not of persons. Ask for count(distinct person_id) and divide the released numbers, or write "
    'tp.table("{table}").group_by(…).share(), the percent of all persons.'
)
ROWS = "SELECT * would show rows. Name dimensions and measures: select sex, count(*) from person group by sex."
HAVING = "HAVING compares measures of the released table with numbers, joined by AND: HAVING count(*) >= 100."
TOTALS = (
    "Totals come over every dimension at once: write GROUP BY CUBE (a, b) with all the dimensions in it and nothing beside it (of one "
    "dimension, ROLLUP (a) is the same), or ask for each grouping in a query of its own."
)
KEYS = "A join is on one equality of declared keys: JOIN table ON earlier.key = table.key."
COLUMNS = (
    "Two columns cannot be compared, but for the one equality of declared keys that joins two tables: compare a column with a code, a "
    "number or a date."
)
CASES = (
    "CASE makes named groups of one column: CASE WHEN age < 18 THEN 'child' WHEN age < 65 THEN 'adult' ELSE 'old' END, each arm a list "
    "of codes, a range or a window of months of that column, each value a literal. It splits the cells and is no "
    "measure. Bins of one width are floor(age / 10) * 10."
)
DIFFERENCES = (
    "Two dates are taken from each other in whole days, datediff('day', start, end), or in calendar years, year(end) - year(start): as a "
    "measure (avg, median, stddev and the like), in a condition, or grouped by CASE or in bins. In other units compute with the released "
    "number. An age at an event is year(event_date) - year_of_birth."
)
PAIRED = (
    "Dates of two tables are compared where both are joined in the outer SELECT: write … FROM person p JOIN a ON a.person_id = p.person_id "
    "JOIN b ON b.person_id = p.person_id WHERE b.day >= a.day, and count(distinct p.person_id)."
)
FIRST = (
    "A first event is one of one table, by a day of that table: SELECT person_id, min(day) AS first_day FROM table WHERE … GROUP BY "
    "person_id. Conditions in it are about that table; join others outside: … f JOIN person p ON p.person_id = f.person_id."
)
FIRST_VALUE = (
    "Of a first event a plan knows the day and one value: avg(t.value_as_number) from (SELECT person_id, value_as_number, row_number() "
    "OVER (PARTITION BY person_id ORDER BY measurement_date) AS n FROM measurement WHERE …) t WHERE t.n = 1. Of several on that day it is "
    "the smallest: further terms of ORDER BY are that value alone."
)
KINDS = (
    "A number of different codes of a person is compared outside: … JOIN (SELECT person_id, count(distinct {column}) AS n FROM {table} "
    "GROUP BY person_id) k ON k.person_id = p.person_id WHERE k.n >= {number}; k.n groups too."
)
DAYS = (
    "A date is compared with days: day >= '2019-01-01' AND day < '2020-01-01'; it is grouped by date_trunc('month', day), 'quarter' "
    "or 'year', or by strftime(day, '%Y-%m') or '%Y'."
)
BOTH_WAYS = (
    "{word} is not part of a plan: {meant} are counted in their own table, SELECT count(*) FROM person WHERE person_id IN (SELECT "
    "person_id FROM a WHERE …) {joined} (SELECT person_id FROM b WHERE …). Numbers of groups are one question each: combine the released "
    "tables."
)
TWICE = (
    "{name} is used twice; a plan uses a table once. Persons with two kinds of its rows: SELECT count(*) FROM person WHERE person_id IN "
    "(SELECT person_id FROM {table} WHERE …) AND person_id IN (SELECT person_id FROM {table} WHERE …). Days between the first of each: "
    "join two SELECTs (SELECT person_id, min(day) AS day FROM {table} WHERE … GROUP BY person_id) by person_id."
)
SCALAR = (
    "A SELECT as a number is not part of a plan. Persons with at least two rows: WHERE person_id IN (SELECT person_id FROM t WHERE … GROUP "
    "BY person_id HAVING count(*) >= 2)."
)
ADDED = (
    "Whole days are added to a date: later <= day + INTERVAL 30 DAY, or datediff('day', day, later) BETWEEN 0 AND 30. Write 30 days for a "
    "month, 365 for a year."
)
LAST = (
    "Of the events of a person a plan knows the first, min(day) or row_number() by its day, and not the last. Ask about all of them, or "
    "about those since a month: WHERE day >= '2024-01-01'."
)
EXACT_AGE = "An age at an event is of calendar years here: year(event_date) - year_of_birth, as a measure, by CASE, or in bins."
AGE_NOW = (
    "An age in one year is a year of birth: group by that, floor({column} / 10) * 10 or CASE WHEN {column} > 1980 THEN …, and take the "
    "released mean from {year}."
)
TOP = "TOP is written as LIMIT at the end: ORDER BY n DESC LIMIT {rows}."
PER_PERSON = (
    "A number of rows of each person is no column: a SELECT in brackets chooses rows and columns, or persons. Their mean is count(*) / "
    "count(distinct person_id) of the released numbers. Persons with at least two are IN (SELECT person_id FROM t GROUP BY person_id "
    "HAVING count(*) >= 2). Different codes are counted: count(distinct column) AS n."
)
LISTS = "Lists and structs are not part of a plan: write plain columns, and codes as column IN ('…')."
INNER = "A comparison stands by itself: write 40 <= age AND age < 65, each side a column or a value."
RANKED = f"Window functions order or number single rows; use GROUP BY. {SHARE}"
ONE_ARM = (
    "An aggregate of some rows is written count(*) FILTER (WHERE condition), sum(CASE WHEN condition THEN 1 ELSE 0 END), or "
    "count(DISTINCT CASE WHEN condition THEN person_id END). For a share of rows group by the condition, CASE WHEN condition THEN 'yes' "
    "ELSE 'no' END, and divide the released numbers."
)
SOME_ROWS = (
    "The numbers of one answer are of the same rows, and {asked} (by FILTER, CASE or count_if) is of some alone. Group by it, and every "
    "number is there for both: CASE WHEN {asked} THEN 'yes' ELSE 'no' END AS grp … GROUP BY grp (it is of one column then). Or ask for it "
    "by itself: WHERE {asked}."
)
QUALIFY = (
    "QUALIFY takes each person's first row, and no other: QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY day) = 1, in a SELECT "
    "of person_id in brackets or in WITH. To filter the released table, see .frame()."
)
BINS = (
    "A measure is grouped in bins of one width: floor(age / 10) * 10, or age // 10 * 10, with the same number twice; "
    "tp.catalogue() tells its step."
)
PERCENTS = (
    "Quantiles are median(column) and quantile_cont(column, 0.25), at one of 0.05, 0.1, 0.25, 0.5, 0.75, 0.9 and 0.95; "
    "several are several columns. The extremes are single persons' values."
)
TWO_WAYS = (
    "This query can be read in two ways: the two parsers that must agree on it do not, or only one of them can read it. Look for a comma "
    "too many, an unusual function, or a name like days, year or decade without AS before it (count(*) AS days), and write it more "
    "plainly: names without quotes, values without casts, no comments."
)


def _of(names: str, text: str) -> dict[str, str]:
    """One text for several functions, under the engine's spelling of each name and the parser's, which has no underscores."""
    return {key: text.replace("NAME", name) for name in names.split() for key in (name, name.replace("_", ""))}


REASONS: dict[str, str] = {
    # aggregates that return a record's value
    **_of(
        "min max first last arbitrary arg_min arg_max min_by max_by mode lttb reservoir_quantile",
        f"NAME() {ONE_VALUE}; use avg(), or the bounds in the catalogue (tp.catalogue()).",
    ),
    **_of("any_value", f"NAME() {ONE_VALUE}; put the column into GROUP BY, or use avg()."),
    **_of(
        "list string_agg group_concat listagg histogram approx_top_k bitstring_agg histogram_exact",
        f"NAME() {MANY_VALUES}; use GROUP BY on a dimension with count(*).",
    ),
    **_of("array_agg", f"list() or array_agg() {MANY_VALUES}; use GROUP BY on a dimension with count(*)."),
    **_of(
        "product bit_and bit_or bit_xor bitwise_and_agg bitwise_or_agg bitwise_xor_agg fsum kahan_sum",
        "NAME() packs many values into one number that can be taken apart; use count(*) or avg().",
    ),
    "bool_and": "bool_and() tells that nobody differs; use count(*) grouped by the column.",
    "bool_or": "bool_or() tells of a single person; use count(*) grouped by the column.",
    "logicaland": "bool_and() tells that nobody differs; use count(*) grouped by the column.",
    "logicalor": "bool_or() tells of a single person; use count(*) grouped by the column.",
    # aggregates that are answered in another form
    "count": (
        "count() counts rows or persons: count(*) or count(distinct person_id). "
        "To count the rows with a value, add WHERE column IS NOT NULL."
    ),
    **_of("count_if", "NAME() is a condition inside an aggregate; put it into WHERE, with count(*)."),
    **_of("quantile_cont percentile_cont median quantile quantile_disc percentile_disc approx_quantile", PERCENTS),
    **_of("stddev_pop var_pop variance_pop", "NAME() is of a whole population; write stddev() or variance(), of a sample."),
    **_of(
        "covar_pop covar_samp regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy",
        "NAME() is not part of a plan: two measures are compared by corr(a, b), with avg() and stddev() of each.",
    ),
    **_of(
        "skewness kurtosis kurtosis_pop mad sem entropy",
        "NAME() is not part of a plan: a distribution is asked for by quantile_cont(), stddev(), or counts in bins.",
    ),
    **_of("approx_count_distinct approx_distinct", "NAME() is not part of a plan: count(distinct person_id) counts persons exactly."),
    **dict.fromkeys(("datediff", "date_diff"), DIFFERENCES),
    **dict.fromkeys(("rownumber", "row_number"), RANKED),
    "round": "Released numbers are rounded by the site's rules; write the measure alone. For bins write floor(age / 10) * 10.",
    **dict.fromkeys(("floor", "intdiv", "ceil", "trunc", "equi_width_bins", "widthbucket", "time_bucket"), BINS),
    # shape of the statement
    "star": ROWS,
    "distinct": "SELECT DISTINCT lists values; write GROUP BY with count(*).",
    "having": HAVING,
    "qualify": QUALIFY,
    "window": RANKED,
    "windows": RANKED,
    "case": CASES,
    "if": "IF makes groups that are not in the catalogue; use WHERE.",
    "subquery": SUBQUERY,
    "exists": SUBQUERY,
    "query": SUBQUERY,
    "with_": "WITH is not part of a plan. " + SUBQUERY,
    "with": "WITH is not part of a plan. " + SUBQUERY,
    "union": BOTH_WAYS.format(word="UNION", meant="persons of either", joined="OR person_id IN"),
    "except": BOTH_WAYS.format(word="EXCEPT", meant="persons of the one and not the other", joined="AND person_id NOT IN"),
    "intersect": BOTH_WAYS.format(word="INTERSECT", meant="persons of both", joined="AND person_id IN"),
    **dict.fromkeys(("rollup", "cube", "grouping_sets", "groupingsets", "grouping", "grouping_id"), TOTALS),
    "totals": "WITH TOTALS is not part of a plan; every release carries its own total.",
    **dict.fromkeys(("timetostr", "strftime", "tochar", "to_char", "date_format", "dateformat", "format_datetime"), DAYS),
    "offset": "OFFSET is not part of a plan; slice the released table instead (.frame()).",
    "sample": "TABLESAMPLE asks about a random few; ask about all rows.",
    "tablesample": "TABLESAMPLE asks about a random few; ask about all rows.",
    "pivot": "PIVOT is not part of a plan; use GROUP BY on both dimensions.",
    "pivots": "PIVOT is not part of a plan; use GROUP BY on both dimensions.",
    "laterals": "LATERAL is not part of a plan; use a declared join on keys.",
    "lateral": "LATERAL is not part of a plan; use a declared join on keys.",
    "unnest": "UNNEST is not part of a plan; name a table of the catalogue.",
    "values": "VALUES is not part of a plan; name a table of the catalogue.",
    "into": "SELECT INTO writes; a plan only asks.",
    "locks": "FOR UPDATE is not part of a plan.",
    "hint": "Hints are not part of a plan.",
    "db": "Name a table of the catalogue alone, without a schema or database.",
    "catalog": "Name a table of the catalogue alone, without a schema or database.",
    "readcsv": "Reading files is not part of a plan; name a table of the catalogue.",
    "readparquet": "Reading files is not part of a plan; name a table of the catalogue.",
    "tuple": "Brackets around several columns are not part of a plan: write them one by one, as in GROUP BY a, b.",
    "fetch": "FETCH FIRST is written LIMIT n here.",
    "limit_options": "LIMIT takes a whole number of rows, from 1 to 10000.",
    "parquet": "Reading files is not part of a plan; name a table of the catalogue.",
    "columns": "COLUMNS is not part of a plan: name each column, and label it where you select it: … AS n.",
    "dot": "Functions of a schema are not part of a plan; write the function's name alone.",
    "var": "ORDER BY ALL is not part of a plan; name a column of the result.",
    "coalesce": "COALESCE is not part of a plan: what is missing is a category of its own, and IS NULL asks for it.",
    **dict.fromkeys(("bracket", "array", "struct", "any", "all", "comprehension", "lambda", "map", "transform"), LISTS),
    # predicates
    **dict.fromkeys(("year", "quarter", "month", "extract", "timestamptrunc", "datetrunc", "date_part", "datepart", "date"), DAYS),
    **dict.fromkeys(("eq", "neq", "lt", "lte", "gt", "gte", "in", "between", "is", "not", "and", "or"), INNER),
    "field": "IN takes codes in brackets: column IN ('…').",
    "symmetric": "BETWEEN SYMMETRIC is not part of a plan: write the lower end first.",
    "nullsafeeq": "IS [NOT] DISTINCT FROM is not part of a plan: write = or <>, and IS NULL for missing values.",
    "nullsafeneq": "IS [NOT] DISTINCT FROM is not part of a plan: write = or <>, and IS NULL for missing values.",
    "bytestring": "Escape strings are not part of a plan: write the code in plain single quotes.",
    "rawstring": "Dollar-quoted strings are not part of a plan: write the code in single quotes.",
    "like": "LIKE bisects text; compare with approved codes: column IN ('…').",
    "ilike": "ILIKE bisects text; compare with approved codes: column IN ('…').",
    "glob": "GLOB bisects text; compare with approved codes: column IN ('…').",
    "similarto": "SIMILAR TO bisects text; compare with approved codes: column IN ('…').",
    "regexplike": "Regular expressions bisect text; compare with approved codes: column IN ('…').",
    "regexpfullmatch": "Regular expressions bisect text; compare with approved codes: column IN ('…').",
    "rand": "random() makes random groups, which add up to a reconstruction; ask about all rows.",
    "cast": "CAST on a column is not part of a plan: its errors carry values. Compare the column as the catalogue types it.",
    "trycast": "TRY_CAST on a column is not part of a plan. Compare the column as the catalogue types it.",
    "placeholder": "Parameters are not part of a plan; write the value.",
    "parameter": "Parameters are not part of a plan; write the value.",
    # statements
    **{
        name: f"{name.upper()} is not a question about data. Write one SELECT."
        for name in (
            "command",
            "explain",
            "prepare",
            "execute",
            "deallocate",
            "load",
            "install",
            "use",
            "begin",
            "commit",
            "rollback",
            "call",
            "vacuum",
            "analyze",
            "checkpoint",
            "export",
            "import",
            "detach",
            "reset",
            "comment",
            "grant",
            "revoke",
        )
    },
    "table": "TABLE would show rows. Name dimensions and measures: select sex, count(*) from person group by sex.",
    "unpivot": "UNPIVOT is not part of a plan; use GROUP BY.",
    "desc": "DESCRIBE is answered by tp.catalogue().",
    "truncate": "TRUNCATE would change data; a plan only asks.",
    "summarize": "SUMMARIZE shows the smallest and largest values; see tp.catalogue() instead.",
    "describe": "DESCRIBE is answered by tp.catalogue().",
    "show": "SHOW is answered by tp.catalogue().",
    "pragma": "PRAGMA is not part of a plan.",
    "set": "SET is not part of a plan.",
    "copy": "COPY would write rows; a plan only asks for aggregates.",
    "attach": "ATTACH is not part of a plan.",
    **{
        name: f"{name.upper()} would change data; a plan only asks."
        for name in ("create", "insert", "update", "delete", "drop", "alter", "merge", "truncatetable")
    },
}
"""Reason by the parser's name of a construct, or by the lower-case name of a function."""

SHAPE = (
    "A query is: SELECT dimensions, count(*), count(distinct person_id), avg(column) (or sum, stddev, variance, median, quantile_cont, "
    "corr) FROM table JOIN table ON key = key WHERE … GROUP BY dimensions ORDER BY … LIMIT n."
)
ARITHMETIC = ("add", "sub", "mul", "div", "mod", "intdiv", "pow", "neg", "dpipe", "concat", "bitwiseand", "bitwiseor", "bitwisexor")


RENAMED = {
    "sha2": "sha256", "timetounix": "epoch", "unixtotime": "to_timestamp", "currenttime": "get_current_time", "parsejson": "json",
    "localtimestamp": "current_localtimestamp", "datefromparts": "make_date", "jsonarray": "json_array", "arraymax": "list_max",
    "arraymin": "list_min", "aliases": "apply", "formatreadablesize": "format_bytes", "formatreadabledecimalsize": "format_bytes",
}  # fmt: skip
"""Functions by the parser's name for them, where that is not among the engine's."""


def reason_of(*names: str) -> str:
    """The text for a construct by the first of its names that has one, always naming it."""
    for name in names:
        if name in REASONS:
            return REASONS[name]
    construct = names[0]
    if construct in ARITHMETIC:
        return (
            "Arithmetic is not part of a plan: a computed number can pack many people's values into one. "
            "Use plain columns, and compute with the released numbers afterwards."
        )
    for name in names:
        for kind in DENIED:
            if why := why_denied(kind, RENAMED.get(name, name)):
                return f"{RENAMED.get(name, name).upper()[:60]} is not part of a plan: it {why}. {INSTEAD[why]}"
    return f"{construct.strip('_').upper()[:60]} is not part of a plan. {SHAPE}"
