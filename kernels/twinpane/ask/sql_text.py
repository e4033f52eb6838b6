"""A plan in SQL: the text that ``tp.sql`` reads back into the same plan."""

from collections.abc import Callable
from decimal import Decimal

from twinpane.catalogues.browser import Browser
from twinpane.errors import Refused
from twinpane_broker import (
    AllOf,
    AnyOf,
    CodeValue,
    Correlation,
    Count,
    Group,
    In,
    Measure,
    Missing,
    Not,
    Persons,
    Plan,
    Predicate,
    Quantile,
    Range,
    Share,
    Window,
)


def sql_of(plan: Plan, key: Callable[[str], str] | None = None) -> str:
    """One SELECT; raises Refused for what SQL cannot express.

    ``key`` gives a table's person key, which the SQL needs to count persons; by default the sites' catalogues are asked.
    """
    if plan.cohort is not None:
        raise Refused("SQL has no words for a cohort: keep tp.table(…, cohort=…)", "grammar")
    groups = [_group(group) for group in plan.group_by]
    person = ""
    if any(measure.of_persons and measure.column is None for measure in plan.measures):
        person = f"{plan.table}.{(key or _person_key)(plan.table)}"
    items = [*groups, *(_measure(measure, plan, person) for measure in plan.measures)]
    labels = [part.label for part in (*plan.group_by, *plan.measures)]
    select = ", ".join(text + (f" AS {label}" if label else "") for text, label in zip(items, labels, strict=True))
    lines = [f"SELECT {select}", f"FROM {plan.table}"]
    lines += [f"JOIN {join.table} ON {join.left} = {join.right}" for join in plan.joins]
    if plan.where is not None:
        lines.append(f"WHERE {_predicate(plan.where)}")
    if groups:
        lines.append(f"GROUP BY CUBE ({', '.join(groups)})" if plan.margins else f"GROUP BY {', '.join(groups)}")
    if plan.margins and any(isinstance(measure, Share) for measure in plan.measures):
        raise Refused("SQL cannot ask for shares and totals at once: ask for one after the other, or keep the builder", "grammar")
    if plan.order_by:
        places = ((plan.names.index(order.by) + 1, " DESC" if order.descending else "") for order in plan.order_by)
        lines.append("ORDER BY " + ", ".join(f"{place}{down}" for place, down in places))
    if plan.limit is not None:
        lines.append(f"LIMIT {plan.limit}")
    return "\n".join(lines)


def _group(group: Group) -> str:
    if group.bin is not None:
        return f"date_trunc('{group.bin}', {group.column})"
    if group.width is not None:
        return f"floor({group.column} / {_number(group.width)}) * {_number(group.width)}"
    return group.column


def _measure(measure: Measure, plan: Plan, person: str) -> str:
    match measure:
        case Count():
            return "count(*)"
        case Persons():
            return f"count(DISTINCT {measure.column or person})"
        case Share():
            counted = f"count(DISTINCT {measure.column or person})"
            within = [_group(group) for group in plan.group_by if group.column in measure.within]
            over = f"PARTITION BY {', '.join(within)}" if within else ""
            return f"100.0 * {counted} / sum({counted}) OVER ({over})"
        case Correlation():
            return f"corr({measure.column}, {measure.other})"
        case Quantile():
            return f"quantile_cont({measure.column}, {_number(measure.percent / 100)})"
    return f"{measure.written or measure.sql[0]}({measure.column})"


def _predicate(term: Predicate) -> str:
    if isinstance(term, AllOf | AnyOf):
        word = " AND " if isinstance(term, AllOf) else " OR "
        return word.join(f"({_predicate(part)})" if isinstance(part, AllOf | AnyOf) else _predicate(part) for part in term.terms)
    if isinstance(term, Not):
        return f"NOT ({_predicate(term.term)})"
    if isinstance(term, Missing):
        return f"{term.column} IS NULL"
    if isinstance(term, In) and not term.descendants:
        codes = ", ".join(_code(code) for code in term.codes)
        return f"{term.column} = {codes}" if len(term.codes) == 1 else f"{term.column} IN ({codes})"
    if isinstance(term, Range):
        low, high = (None if end is None else _number(end) for end in (term.low, term.high))
        return _ends(term.column, low, high, above=term.above, through=term.through)
    if isinstance(term, Window):
        start, end = (None if day is None else f"'{day}'" for day in (term.start, term.end))
        return _ends(term.column, start, end, above=term.after, through=term.through)
    raise Refused(f"SQL has no words for code sets with descendants, as of {term.column}: keep the builder", "grammar")


def _ends(column: str, low: str | None, high: str | None, *, above: bool, through: bool) -> str:
    parts = [f"{column} {'>' if above else '>='} {low}"] if low is not None else []
    parts += [f"{column} {'<=' if through else '<'} {high}"] if high is not None else []
    return " AND ".join(parts)


def _code(code: CodeValue) -> str:
    if isinstance(code, bool):
        return "true" if code else "false"
    return "'" + code.replace("'", "''") + "'" if isinstance(code, str) else _number(code)


def _number(number: float) -> str:
    if isinstance(number, int) or float(number).is_integer():
        return str(int(number))
    return format(Decimal(repr(float(number))), "f")


def _person_key(table: str) -> str:
    found = (listed for site in Browser.ask().sites.values() if (listed := site.table(table)) is not None)
    return next((listed.person_key for listed in found), "person_id")
