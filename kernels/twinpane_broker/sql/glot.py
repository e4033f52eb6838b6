"""The first reading: sqlglot's tree of a SELECT, node by node from a list of allowed ones; everything else is refused by name.

``only`` holds at every node: a part that the parser learns tomorrow is refused too.
"""

import re

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from twinpane_broker.aggregates.aggregate import MAX_DIMENSIONS
from twinpane_broker.errors import Refused

from .glot_items import first_of, item_of, term_of
from .glot_nodes import only, refuse
from .glot_where import condition_of
from .literals import SYSTEM
from .refusals import KEYS, SHAPE, TOP, TOTALS, reason_of
from .said import Condition, Derived, Joined, Query, Sorted, Source, Term

DIALECT = Dialect.get_or_raise("duckdb")
MAX_TOKENS = 30_000
MAX_NESTED = 10
"""Brackets inside each other; the parser tries two readings at some, and twice as many with each further one."""
OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
FIRST = (TokenType.SELECT, TokenType.FROM, TokenType.WITH, TokenType.L_PAREN)
CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)


def read(text: str) -> Query:
    """The query that sqlglot reads in the text; raises Refused, naming what a plan cannot say."""
    try:
        return _query(_statement(text))
    except Refused:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        # The parser lets half-written calls through as trees with holes.
        raise Refused(f"This is not SQL that can be read. {SHAPE}") from None


def _statement(text: str) -> exp.Expr:
    try:
        tokens = DIALECT.tokenize(text)
        _refuse_monsters(tokens)
        _refuse_others(tokens)
        statements = [statement for statement in DIALECT.parser().parse(tokens, text) if statement is not None]
    except SqlglotError as error:
        raise Refused(f"This is not SQL that can be read: {_first_line(error)}") from None
    except RecursionError:
        raise Refused("The query is nested too deeply.") from None
    if len(statements) != 1:
        raise Refused("Write one SELECT, and one only.")
    return statements[0]


def _refuse_monsters(tokens: list[Token]) -> None:
    if len(tokens) > MAX_TOKENS:
        raise Refused(f"The query has more than {MAX_TOKENS:,} words and signs.")
    if sum(token.token_type is TokenType.CASE for token in tokens) > MAX_NESTED:
        raise Refused(reason_of("case"))
    depth = 0
    for token in tokens:
        depth += (token.token_type in OPENING) - (token.token_type in CLOSING)
        if depth > MAX_NESTED:
            raise Refused(f"The query is nested too deeply: more than {MAX_NESTED} brackets inside each other.")


def _refuse_others(tokens: list[Token]) -> None:
    """Refuse what is not one SELECT by its first word, before the parser makes of it what it can."""
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens or any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise Refused("Write one SELECT, and one only.")
    for select, top, rows in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if select.token_type is TokenType.SELECT and top.text.upper() == "TOP" and rows.token_type is TokenType.NUMBER:
            raise Refused(TOP.format(rows=rows.text[:8]))
    first = tokens[0]
    if first.token_type not in FIRST:
        raise Refused(reason_of(first.text.lower()))


def _query(select: exp.Expr) -> Query:
    while isinstance(select, exp.Subquery):
        only(select, "this")
        select = select.this
    if not isinstance(select, exp.Select):
        refuse(select)
    only(select, "expressions", "from_", "joins", "where", "group", "order", "limit", "having", "distinct", "with_", "qualify")
    if select.args.get("from_") is None:
        raise Refused("A query needs FROM and a table of the catalogue.")
    only(select.args["from_"], "this")
    source = _source(select.args["from_"].this)
    joins = tuple(_join(join) for join in select.args.get("joins") or ())
    where = select.args.get("where")
    having = select.args.get("having")
    for part in (where, having):
        if part is not None:
            only(part, "this")
    distinct = select.args.get("distinct")
    if distinct is not None:
        if distinct.args.get("on") is not None:
            raise Refused(reason_of("distinct"))
        only(distinct)
    items = tuple(item_of(expression, _condition) for expression in select.expressions)
    groups, sets = _groups(select.args.get("group"))
    order = select.args.get("order")
    if order is not None:
        only(order, "expressions")
    return Query(
        source=source,
        joins=joins,
        where=_condition(where.this) if where is not None else None,
        items=items,
        groups=groups,
        sets=sets,
        order=tuple(_sorted(term) for term in order.expressions) if order is not None else (),
        limit=_limit(select.args.get("limit")),
        having=_condition(having.this) if having is not None else None,
        distinct=distinct is not None,
        first=first_of(qualify.this) if (qualify := select.args.get("qualify")) is not None else None,
        named=_named(select.args.get("with_")),
    )


def _condition(node: exp.Expr) -> Condition:
    return condition_of(node, _query)


def _named(node: exp.Expr | None) -> tuple[tuple[str, Query], ...]:
    """The SELECTs of a WITH."""
    if node is None:
        return ()
    if node.args.get("recursive"):
        raise Refused(reason_of("with"))
    only(node, "expressions")
    found = []
    for named in node.expressions:
        only(named, "this", "alias")
        only(named.args["alias"], "this")
        found.append((named.alias, _query(named.this)))
    return tuple(found)


def _source(node: exp.Expr) -> Source | Derived:
    alias = node.args.get("alias")
    if alias is not None:
        only(alias, "this")
    if isinstance(node, exp.Subquery):
        only(node, "this", "alias")
        return Derived(query=_query(node.this), alias=node.alias or None)
    if not isinstance(node, exp.Table):
        refuse(node)
    if not isinstance(node.this, exp.Identifier):
        refuse(node.this)
    only(node, "this", "alias", "db", "catalog")
    if node.db.casefold() in SYSTEM:
        raise Refused(reason_of("db"))
    return Source(table=node.name, alias=node.alias or None)


def _join(join: exp.Join) -> Joined:
    only(join, "this", "on", "using", "kind", "side", "method")
    outer = (join.side or "").upper() == "LEFT" and not join.method and (join.kind or "OUTER").upper() == "OUTER"
    if not outer and (join.side or join.method or (join.kind or "INNER").upper() not in ("INNER", "CROSS")):
        kind = " ".join(part for part in (join.method, join.side, join.kind) if part).upper()
        raise Refused(f"{kind} JOIN is not part of a plan: joins are inner joins on declared keys. Write JOIN … ON key = key.")
    if isinstance(join.this, exp.Lateral | exp.Unnest | exp.Values):
        refuse(join.this)
    source = _source(join.this)
    on, using = join.args.get("on"), join.args.get("using")
    if using:
        if len(using) != 1 or on is not None:
            raise Refused("A join is on one pair of keys: USING (key).")
        return Joined(source=source, on=using[0].name, outer=outer)
    if on is None and (outer or (join.kind or "").upper() == "INNER"):
        raise Refused(KEYS)
    return Joined(source=source, on=_condition(on) if on is not None else None, outer=outer)


def _groups(group: exp.Group | None) -> tuple[tuple[Term, ...] | None, tuple[frozenset[int], ...] | None]:
    """The terms of GROUP BY (None for ALL), and its grouping sets where any are written."""
    if group is None:
        return (), None
    only(group, "expressions", "all")
    if group.args.get("all"):
        only(group, "all")
        return None, None
    written = [node for node in group.expressions if isinstance(node, exp.Cube | exp.Rollup | exp.GroupingSets)]
    if not written:
        return tuple(term_of(node, _condition) for node in group.expressions), None
    if len(group.expressions) > 1:
        refuse(written[0])
    node = written[0]
    only(node, "expressions")
    if len(node.expressions) > 2**MAX_DIMENSIONS:
        raise Refused(TOTALS)
    if not isinstance(node, exp.GroupingSets):
        named = tuple(term_of(part, _condition) for part in node.expressions)
        rollup = isinstance(node, exp.Rollup)
        places = range(len(named))
        sets = [frozenset(range(n)) for n in range(len(named) + 1)] if rollup else [
            frozenset(i for i in places if mask >> i & 1) for mask in range(2 ** min(len(named), MAX_DIMENSIONS + 1))
        ]  # fmt: skip
        return named, tuple(sets)
    known: list[Term] = []
    sets = []
    for part in node.expressions:
        terms = [term_of(inner, _condition) for inner in (part.expressions if isinstance(part, exp.Tuple) else [part])]
        known.extend(term for term in terms if term not in known)
        sets.append(frozenset(known.index(term) for term in terms))
    return tuple(known), tuple(sets)


def _sorted(term: exp.Expr) -> Sorted:
    if not isinstance(term, exp.Ordered):
        refuse(term)
    if term.args.get("nulls_first"):
        raise Refused("NULLS FIRST is not part of a plan: what was withheld comes last.")
    only(term, "this", "desc")
    return Sorted(by=term_of(term.this, _condition), descending=bool(term.args.get("desc")))


def _limit(limit: exp.Expr | None) -> int | None:
    if limit is None:
        return None
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
