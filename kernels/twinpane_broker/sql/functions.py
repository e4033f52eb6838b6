"""Every function of the engine, with a verdict: allowed, only inside a procedure of the plan, or denied, and why.

The lists cover DuckDB 2.0.0 (``duckdb_functions()``), kind by kind. A name that is not listed has no verdict. After an upgrade of the
engine a test fails until each new function has one. A function missing here is not thereby allowed: the SQL readers have their own
allow-lists (``sql``), and this table checks them.
"""

from enum import StrEnum

from twinpane_broker.aggregates.registry import OF_ONE_COLUMN

from .functions_deny import DENIED, FAMILIES, Why, names_of

__all__ = ["ALLOWED", "ENGINE", "FORMS", "PROCEDURES", "Verdict", "Why", "verdict_of", "why_denied"]


class Verdict(StrEnum):
    """What may be done with a function."""

    allow = "allow"  # a query may ask for it of a plain column; the rules are applied to the result
    procedure = "procedure"  # only inside a procedure of the plan, in the one form that it has for it
    deny = "deny"


ALLOWED: dict[str, frozenset[str]] = {
    "aggregate": frozenset({"count", "count_star", *OF_ONE_COLUMN}),
}
"""By kind of function."""

PROCEDURES: dict[str, frozenset[str]] = {
    "aggregate": names_of("""
        approx_count_distinct approx_quantile corr count_if countif covar_pop covar_samp entropy kurtosis kurtosis_pop mad median min mode
        quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
        regr_syy sem skewness stddev_pop var_pop
    """),
    "scalar": names_of(
        "!= * + - / // < <= = > >= __between date_diff date_part date_trunc datediff datepart datetrunc floor round strftime to_days year"
    ),
    "window": names_of("row_number"),
}
"""By kind of function. What returns a record's value unless snapped to bins (median), what needs its own rules (corr), and what is
safe only where the plan says how (a bin's floor, a comparison of a column with a literal, a person's first day)."""

FORMS: dict[str, str] = {
    "!=": "select count(*) from t where a != 'x'",
    "*": "select floor(a / 10) * 10, count(*) from t group by 1",
    "+": "select count(*) from t where a <= b + interval 30 day",
    "-": "select count(*) from t where a > -5",
    "/": "select floor(a / 10) * 10, count(*) from t group by 1",
    "//": "select a // 10 * 10, count(*) from t group by 1",
    "<": "select count(*) from t where a < 5",
    "<=": "select count(*) from t where a <= 5",
    "=": "select count(*) from t where a = 'x'",
    ">": "select count(*) from t where a > 5",
    ">=": "select count(*) from t where a >= 5",
    "__between": "select count(*) from t where a between 5 and 10",
    "corr": "select corr(a, b) from t",
    "count_if": "select count_if(a > 5) from t",
    "date_diff": "select avg(date_diff('day', a, b)) from t",
    "date_part": "select date_part('year', a), count(*) from t group by 1",
    "date_trunc": "select date_trunc('month', a), count(*) from t group by 1",
    "datediff": "select avg(datediff('day', a, b)) from t",
    "datepart": "select datepart('year', a), count(*) from t group by 1",
    "datetrunc": "select datetrunc('month', a), count(*) from t group by 1",
    "floor": "select floor(a / 10) * 10, count(*) from t group by 1",
    "median": "select median(a) from t",
    "min": "with f as (select person_id, min(a) as d from t group by person_id) select count(*) from f",
    "quantile_cont": "select quantile_cont(a, 0.25) from t",
    "round": "select round(avg(a), 1) from t",
    "row_number": (
        "select count(*) from (select person_id, row_number() over (partition by person_id order by a) as n from t) f where n = 1"
    ),
    "strftime": "select strftime(a, '%Y-%m'), count(*) from t group by 1",
    "to_days": "select count(*) from t where a <= b + interval 30 day",
    "year": "select year(a), count(*) from t group by 1",
}
"""The one form in which SQL may write a procedure. Procedures that are not here cannot be written at all."""

ENGINE: frozenset[str] = names_of("* + - / // abs count count_star date_part floor max min mod sum")
"""What the broker's own statements may use, whatever its verdict is for a query: evidence is computed with it, and never shown."""


def verdict_of(kind: str, name: str) -> Verdict | None:
    """The verdict on a function of ``duckdb_functions()`` (its ``function_type`` and ``function_name``); None where nobody gave one."""
    if name in ALLOWED.get(kind, ()):
        return Verdict.allow
    if name in PROCEDURES.get(kind, ()):
        return Verdict.procedure
    return Verdict.deny if why_denied(kind, name) is not None else None


def why_denied(kind: str, name: str) -> Why | None:
    """Why a function is denied; None where it is not, or where it is not listed."""
    for why, names in DENIED.get(kind, {}).items():
        if name in names:
            return why
    return next((why for family, why in FAMILIES.get(kind, {}).items() if name.startswith(family)), None)
