"""A plan in SQL: the text that ``tp.sql`` reads back into the same plan."""

from collections.abc import Callable
from decimal import Decimal

from twinpane.catalogues.browser import Browser
from twinpane.errors import Refused
from twinpane_broker import (
    AllOf,
    AnyOf,
    Case,
    CodeValue,
    Cohort,
    Correlation,
    Count,
    Difference,
    First,
    Group,
    Happened,
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
    Times,
    Unit,
    Window,
)


def sql_of(plan: Plan, key: Callable[[str], str] | None = None) -> str:
    """One SELECT; raises Refused for what SQL cannot express.

    ``key`` gives a table's person key, which the SQL needs to count persons; by default the sites' catalogues are asked.
    """
    words = _Words(plan)
    groups = [words.group(group) for group in plan.group_by]
    known, person = key or person_key, ""
    if plan.cohort is not None or any(measure.of_persons and measure.column is None for measure in plan.measures):
        owner = next((first.event.table for first in plan.firsts if first.name == plan.table), plan.table)
        person = f"{plan.table}.{known(owner)}"
    items = [*groups, *(words.measure(measure, person) for measure in plan.measures)]
    labels = [part.label for part in (*plan.group_by, *plan.measures)]
    select = ", ".join(text + (f" AS {label}" if label else "") for text, label in zip(items, labels, strict=True))
    firsts = {first.name: _first(first, words, known) for first in plan.firsts}
    lines = [f"SELECT {select}", f"FROM {firsts.get(plan.table, plan.table)}"]
    lines += [f"JOIN {firsts.get(join.table, join.table)} ON {join.left} = {join.right}" for join in plan.joins]
    terms = (
        [f"({words.predicate(plan.where)})" if plan.cohort is not None else words.predicate(plan.where)] if plan.where is not None else []
    )
    terms += _persons(plan.cohort, words, person, known) if plan.cohort is not None else []
    if terms:
        lines.append(f"WHERE {' AND '.join(terms)}")
    if groups:
        lines.append(f"GROUP BY CUBE ({', '.join(groups)})" if plan.margins else f"GROUP BY {', '.join(groups)}")
    if plan.margins and any(isinstance(measure, Share) for measure in plan.measures):
        raise Refused("SQL cannot ask for shares and totals at once: ask for one after the other, or keep the builder", "grammar")
    if plan.having:
        written = dict(zip(plan.names, items, strict=True))
        lines.append("HAVING " + " AND ".join(f"{written[one.by]} {one.op} {_number(one.value)}" for one in plan.having))
    if plan.order_by:
        places = ((plan.names.index(order.by) + 1, " DESC" if order.descending else "") for order in plan.order_by)
        lines.append("ORDER BY " + ", ".join(f"{place}{down}" for place, down in places))
    if plan.limit is not None:
        lines.append(f"LIMIT {plan.limit}")
    return "\n".join(lines)


def _first(first: First, words: "_Words", key: Callable[[str], str]) -> str:
    """A first event, or a number of kinds, as a SELECT in brackets, under its name in the plan."""
    event, own = first.event, key(first.event.table)
    where = f" WHERE {words.predicate(event.where)}" if event.where is not None else ""
    # Written for people, and read by the parsers; nothing runs it.
    source = f"FROM {event.table}{where}"
    if first.kinds is not None:
        return f"(SELECT {own}, count(DISTINCT {first.kinds}) AS {first.number} {source} GROUP BY {own}) {first.name}"
    if first.value is not None:
        by = f"row_number() OVER (PARTITION BY {own} ORDER BY {event.date}, {first.value}) = 1"
        return f"(SELECT {own}, {event.date} AS day, {first.value} {source} QUALIFY {by}) {first.name}"
    return f"(SELECT {own}, min({event.date}) AS day {source} GROUP BY {own}) {first.name}"


def _persons(cohort: Cohort, words: "_Words", person: str, key: Callable[[str], str]) -> list[str]:
    """The steps of a cohort without an entry event, as conditions on persons; raises Refused for what SQL has no words for."""
    if cohort.entry is not None:
        raise Refused("SQL has no words for a cohort with an index date: keep tp.table(…, cohort=…)", "grammar")
    terms = []
    for step in cohort.steps:
        parts = []
        for criterion in step.criteria:
            if not isinstance(criterion, Happened):
                raise Refused("SQL has no words for an age at an index date: keep tp.table(…, cohort=…)", "grammar")
            own = key(criterion.event.table)
            where = f" WHERE {words.predicate(criterion.event.where)}" if criterion.event.where is not None else ""
            # Written for people, and read by the parsers; nothing runs it.
            chosen = f"{person} IN (SELECT {own} FROM {criterion.event.table}{where}"  # noqa: S608
            times, count = criterion.times, criterion.count
            if times is Times.exactly and count > 0:
                parts.append(f"{chosen} GROUP BY {own} HAVING count(*) = {count})")
                continue
            least = count if times is Times.at_least else count + 1 if times is Times.at_most else 1
            told = f"{chosen})" if least == 1 else f"{chosen} GROUP BY {own} HAVING count(*) >= {least})"
            parts.append(told if times is Times.at_least else f"NOT {told}")
        whole = (" OR " if step.any else " AND ").join(parts)
        terms.append(f"NOT ({whole})" if step.exclude else f"({whole})" if len(parts) > 1 else whole)
    return terms


class _Words:
    """The parts of a plan in SQL: differences of dates are written out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._differences = {one.name: _difference(one) for one in plan.differences}

    def _column(self, reference: str) -> str:
        return self._differences.get(reference, reference)

    def _case(self, case: Case) -> str:
        arms = " ".join(f"WHEN {self.predicate(arm.where)} THEN {_code(arm.category)}" for arm in case.arms)
        return f"CASE {arms}{f' ELSE {_code(case.otherwise)}' if case.otherwise is not None else ''} END"

    def group(self, group: Group) -> str:
        """A term that splits the cells."""
        column = self._column(group.column)
        if group.case is not None:
            return self._case(group.case)
        if group.bin is not None:
            return f"date_trunc('{group.bin}', {column})"
        if group.width is not None:
            divided = f"({column})" if group.column in self._differences else column
            return f"floor({divided} / {_number(group.width)}) * {_number(group.width)}"
        return column

    def measure(self, measure: Measure, person: str) -> str:
        """An aggregate. ``person`` is the key that persons are counted by."""
        column = self._column(measure.column or "")
        match measure:
            case Count():
                return "count(*)"
            case Persons():
                return f"count(DISTINCT {measure.column or person})"
            case Share():
                counted = f"count(DISTINCT {measure.column or person})"
                within = [self.group(group) for group in self._plan.group_by if group.column in measure.within]
                over = f"PARTITION BY {', '.join(within)}" if within else ""
                return f"100.0 * {counted} / sum({counted}) OVER ({over})"
            case Correlation():
                return f"corr({column}, {self._column(measure.other)})"
            case Quantile():
                return f"quantile_cont({column}, {_number(measure.percent / 100)})"
        return f"{measure.written or measure.sql[0]}({column})"

    def predicate(self, term: Predicate) -> str:
        """A condition; raises Refused for what SQL has no words for."""
        if isinstance(term, AllOf | AnyOf):
            word = " AND " if isinstance(term, AllOf) else " OR "
            return word.join(
                f"({self.predicate(part)})" if isinstance(part, AllOf | AnyOf) else self.predicate(part) for part in term.terms
            )
        if isinstance(term, Not):
            return f"NOT ({self.predicate(term.term)})"
        column = self._column(term.column)
        if isinstance(term, Missing):
            return f"{column} IS NULL"
        if isinstance(term, In):
            codes = ", ".join(_code(code) for code in term.codes)
            if term.descendants:
                return f"{column} IN (SELECT descendant_concept_id FROM concept_ancestor WHERE ancestor_concept_id IN ({codes}))"  # noqa: S608
            return f"{column} = {codes}" if len(term.codes) == 1 else f"{column} IN ({codes})"
        if isinstance(term, Range):
            low, high = (None if end is None else _number(end) for end in (term.low, term.high))
            return _ends(column, low, high, above=term.above, through=term.through)
        if isinstance(term, Window):
            start, end = (None if day is None else f"'{day}'" for day in (term.start, term.end))
            return _ends(column, start, end, above=term.after, through=term.through)
        raise Refused(f"SQL has no words for concept sets, as of {column}: keep the builder", "grammar")


def _difference(one: Difference) -> str:
    if one.unit is Unit.age:
        return f"year({one.until}) - {one.since}"
    return f"datediff('{'day' if one.unit is None else 'year'}', {one.since}, {one.until})"


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


def person_key(table: str) -> str:
    """The person key of a table, as the sites' catalogues have it."""
    found = (listed for site in Browser.ask().sites.values() if (listed := site.table(table)) is not None)
    return next((listed.person_key for listed in found), "person_id")
