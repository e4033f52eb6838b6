"""SQL of one SELECT, read into a plan. The text itself is never run: every part is allow-listed, the rest is refused by name.

This runs where the question is asked (the researcher's kernel); the site judges the plan again on its own with ``check``.
"""

import re

import sqlglot
from pydantic import ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from .catalogue import Catalogue
from .errors import Refused
from .plan import Bin, Group, Join, Measure, MeasureKind, Order, Plan
from .sql_scope import Scope, only, refuse
from .sql_where import predicate_of

MAX_TEXT = 200_000
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
DATE_PARTS = (exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year, exp.Quarter, exp.Month)


def parse_sql(text: str, catalogue: Catalogue | None = None) -> Plan:
    """The plan that a SELECT asks for.

    With a ``catalogue``, names are matched whatever their case, and a column of joined tables may be written without its table.
    Raises Refused with a reason that names the construct and says what to write instead.
    """
    if len(text) > MAX_TEXT:
        raise Refused(f"The query is longer than {MAX_TEXT:,} characters.")
    try:
        statements = [statement for statement in sqlglot.parse(text, read="duckdb") if statement is not None]
        if len(statements) != 1:
            raise Refused("Write one SELECT, and one only.")
        return _plan(statements[0], catalogue)
    except SqlglotError as error:
        raise Refused(f"This is not SQL that can be read: {_first_line(error)}") from None
    except RecursionError:
        raise Refused("The query is nested too deeply.") from None
    except ValidationError as error:
        raise Refused(_validation_text(error)) from None


def _plan(select: exp.Expression, catalogue: Catalogue | None) -> Plan:
    if not isinstance(select, exp.Select):
        refuse(select)
    only(select, "expressions", "from_", "joins", "where", "group", "order", "limit")
    if select.args.get("from_") is None:
        raise Refused("A query needs FROM and a table of the catalogue.")
    scope = Scope(catalogue)
    table = scope.enter(select.args["from_"].this)
    joins = tuple(_join(join, scope) for join in select.args.get("joins") or ())
    where = select.args.get("where")
    group = select.args.get("group")
    items = [_item(expression, scope) for expression in select.expressions]
    selected = [item for item in items if isinstance(item, Group)]
    plan = {
        "table": table,
        "joins": joins,
        "where": predicate_of(where.this, scope) if where is not None else None,
        "group_by": _groups(group, items, scope) if group is not None else (),
        "measures": tuple(item for item in items if isinstance(item, Measure)),
    }
    if not plan["measures"]:
        raise Refused("A query needs a measure: count(*), count(distinct person_id) or avg(column). Rows themselves are never shown.")
    grouped = {(part.column, part.bin) for part in plan["group_by"]}
    if loose := [part for part in selected if (part.column, part.bin) not in grouped]:
        raise Refused(f"{loose[0].column} is selected but not in GROUP BY: write GROUP BY {loose[0].column}.")
    draft = Plan(**plan)
    order = select.args.get("order")
    limit = select.args.get("limit")
    if order is None and limit is None:
        return draft
    return Plan(
        **plan,
        order_by=tuple(_order(term, draft, items, scope) for term in order.expressions) if order is not None else (),
        limit=_limit(limit) if limit is not None else None,
    )


def _join(join: exp.Join, scope: Scope) -> Join:
    only(join, "this", "on", "using", "kind", "side", "method")
    if join.side or join.method or (join.kind or "INNER").upper() != "INNER":
        kind = " ".join(part for part in (join.method, join.side, join.kind) if part).upper()
        raise Refused(f"{kind} JOIN is not part of a plan: joins are inner joins on declared keys. Write JOIN … ON key = key.")
    before = dict(scope.tables)
    table = scope.enter(join.this)
    if using := join.args.get("using"):
        if len(using) != 1:
            raise Refused("A join is on one pair of keys: USING (key).")
        name = using[0].name
        left = scope.named(name, within=before)
        return Join(table=table, left=left, right=scope.named(name, within={table: table}))
    on = join.args.get("on")
    if not isinstance(on, exp.EQ) or not isinstance(on.this, exp.Column) or not isinstance(on.expression, exp.Column):
        raise Refused("A join is on one equality of declared keys: JOIN table ON earlier.key = table.key.")
    only(on, "this", "expression")
    left, right = scope.column(on.this), scope.column(on.expression)
    if left.partition(".")[0] == table:
        left, right = right, left
    return Join(table=table, left=left, right=right)


def _item(expression: exp.Expression, scope: Scope) -> Group | Measure:
    """A selected expression: a dimension, or a measure, with its label."""
    label = None
    if isinstance(expression, exp.Alias):
        only(expression, "this", "alias")
        label, expression = expression.alias, expression.this
        if not LABEL.fullmatch(label):
            raise Refused("A label is a plain name of letters, digits and underscores: … AS n.")
    if isinstance(expression, exp.Paren):
        only(expression, "this")
        expression = expression.this
    if isinstance(expression, (exp.Column, *DATE_PARTS)):
        group = _group(expression, scope)
        return group.model_copy(update={"label": label})
    return _measure(expression, scope).model_copy(update={"label": label})


def _group(expression: exp.Expression, scope: Scope) -> Group:
    if isinstance(expression, exp.Column):
        return Group(column=scope.column(expression))
    if isinstance(expression, exp.TimestampTrunc | exp.DateTrunc):
        only(expression, "this", "unit")
        unit = expression.args["unit"].name.lower() if expression.args.get("unit") else ""
        column = expression.this
    elif isinstance(expression, exp.Extract):
        only(expression, "this", "expression")
        unit, column = expression.this.name.lower(), expression.expression
        unit = unit if unit == "year" else f"the {unit} alone"
    elif isinstance(expression, exp.Year):
        only(expression, "this")
        unit, column = "year", expression.this
    else:
        unit, column = "a part of a date alone", expression.this
    if unit not in tuple(Bin):
        raise Refused(f"A date groups by month, quarter or year, not by {unit[:40]}: date_trunc('month', column).")
    if isinstance(column, exp.Cast) and isinstance(column.this, exp.Column):
        # The engine's dialect wraps the argument; the column's own type is judged by the catalogue.
        column = column.this
    if not isinstance(column, exp.Column):
        refuse(column)
    return Group(column=scope.column(column), bin=Bin(unit))


def _measure(expression: exp.Expression, scope: Scope) -> Measure:
    if isinstance(expression, exp.Count):
        only(expression, "this", "big_int")
        inner = expression.this
        if isinstance(inner, exp.Star):
            only(inner)
            return Measure(kind=MeasureKind.count)
        if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1 and isinstance(inner.expressions[0], exp.Column):
            only(inner, "expressions")
            return Measure(kind=MeasureKind.persons, column=scope.column(inner.expressions[0], person_key=True))
        raise Refused(
            "count() counts rows or persons: count(*) or count(distinct person_id). "
            "To count the rows with a value, add WHERE column IS NOT NULL."
        )
    if isinstance(expression, exp.Avg) or (isinstance(expression, exp.Anonymous) and expression.name.lower() == "mean"):
        only(expression, "this", "expressions")
        arguments = [expression.this] if isinstance(expression, exp.Avg) else expression.expressions
        if len(arguments) != 1 or not isinstance(arguments[0], exp.Column):
            refuse(arguments[0] if len(arguments) == 1 else expression)
        return Measure(kind=MeasureKind.mean, column=scope.column(arguments[0]))
    refuse(expression)


def _groups(group: exp.Group, items: list[Group | Measure], scope: Scope) -> tuple[Group, ...]:
    """The dimensions, in the order of the SELECT; those that are not selected come last."""
    only(group, "expressions", "all")
    selected = [item for item in items if isinstance(item, Group)]
    if group.args.get("all"):
        return tuple(selected)
    wanted = []
    for expression in group.expressions:
        part = _position(expression, items) or _labelled(expression, selected)
        part = part or _item(expression, scope)
        if not isinstance(part, Group):
            raise Refused("GROUP BY takes dimensions, not measures.")
        wanted.append(part)
    asked = {(part.column, part.bin) for part in wanted}
    listed = [part for part in selected if (part.column, part.bin) in asked]
    named = {(part.column, part.bin) for part in listed}
    return (*listed, *(part for part in wanted if (part.column, part.bin) not in named))


def _position(expression: exp.Expression, items: list[Group | Measure]) -> Group | Measure | None:
    if not isinstance(expression, exp.Literal) or expression.is_string:
        return None
    place = int(expression.name) if re.fullmatch(r"\d{1,3}", expression.name) else 0
    if not 1 <= place <= len(items):
        raise Refused(f"Position {expression.name[:20]} is not in the SELECT list.")
    return items[place - 1]


def _labelled(expression: exp.Expression, items: list) -> Group | Measure | None:
    if isinstance(expression, exp.Column) and not expression.table:
        return next((item for item in items if item.label and item.label.casefold() == expression.name.casefold()), None)
    return None


def _order(term: exp.Expression, draft: Plan, items: list[Group | Measure], scope: Scope) -> Order:
    if not isinstance(term, exp.Ordered):
        refuse(term)
    only(term, "this", "desc", "nulls_first")
    part = _position(term.this, items) or _labelled(term.this, items) or _item(term.this, scope)
    parts = (*draft.group_by, *draft.measures)
    same = [name for name, own in zip(draft.names, parts, strict=True) if own == part]
    same = same or [
        name
        for name, own in zip(draft.names, parts, strict=True)
        if own.model_copy(update={"label": None}) == part.model_copy(update={"label": None})
    ]
    if not same:
        raise Refused("ORDER BY takes a column of the result: its name, its label or its position.")
    return Order(by=same[0], descending=bool(term.args.get("desc")))


def _limit(limit: exp.Expression) -> int:
    if not isinstance(limit, exp.Limit):
        refuse(limit)
    only(limit, "expression")
    number = limit.expression
    if not isinstance(number, exp.Literal) or number.is_string or not re.fullmatch(r"[1-9]\d{0,3}|10000", number.name):
        raise Refused("LIMIT takes a whole number from 1 to 10000.")
    return int(number.name)


def _first_line(error: Exception) -> str:
    line = str(error).splitlines()[0] if str(error) else "syntax error"
    return re.sub(r"\x1b\[[0-9;]*m", "", line)[:200]


def _validation_text(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    text = first["msg"].removeprefix("Value error, ")
    return f"This is too much or too little for one plan{f' ({where})' if where else ''}: {text}."[:600]
