"""Lists of concepts: a SELECT from the vocabulary, and what a join to it leaves out."""

from collections.abc import Iterator

from twinpane_broker.aggregates.registry import AGGREGATES
from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.errors import Refused
from twinpane_broker.question.predicates import In, Missing, Not, Predicate

from .refusals import CONCEPT, DERIVED, PERSONS
from .said import Aggregate, Belongs, Condition, Either, Every, Name, Negated, Query, Source, Split
from .scope import Scope, Vocabulary
from .where import predicate_of


def of_lists(condition: Condition, scope: Scope) -> bool:
    """Whether a condition lists concepts by a SELECT from the vocabulary."""
    found = [one for one in selects(condition) if one.column is not None]
    return (
        bool(found)
        and len(found) == len(list(selects(condition)))
        and all(isinstance(one.query.source, Source) and scope.is_vocabulary(one.query.source.table) for one in found)
    )


def listed(condition: Belongs, scope: Scope) -> Predicate:
    """``column IN (SELECT … FROM concept_ancestor WHERE …)``."""
    if condition.column is None:
        raise Refused(PERSONS)
    query, column = condition.query, scope.column(condition.column)
    refuse_few(query)
    inner = Scope(scope.catalogue)
    if (
        not isinstance(query.source, Source)
        or query.joins
        or query.groups != ()
        or query.having is not None
        or query.first is not None
        or query.where is None
        or len(query.items) != 1
    ):
        raise Refused(f"{PERSONS} {CONCEPT}")
    vocabulary = Vocabulary(query.source.table.casefold(), column)
    inner.enter(query.source.alias or query.source.table, vocabulary)
    what = query.items[0].what
    wanted = "concept_id" if vocabulary.name == "concept" else "descendant_concept_id"
    if not isinstance(what, Split) or not isinstance(what.column, Name) or what.column.column.casefold() != wanted:
        raise Refused(f"{PERSONS} {CONCEPT}")
    told = predicate_of(query.where, inner)
    if not isinstance(told, In):
        raise Refused(CONCEPT)
    return told


def without_concept(reference: str, column: Column) -> Iterator[Predicate]:
    """An inner join leaves out the rows without a concept: those without a code, and of codes that the vocabulary does not know.

    Of the approved codes these are the ones without a name, where others have one: 0 is a concept in some vocabularies only.
    """
    if column.missing > 0:
        yield Not(term=Missing(column=reference))
    nameless = tuple(code.value for code in column.codes if not code.label)
    if 0 < len(nameless) < len(column.codes):
        yield Not(term=In(column=reference, codes=nameless))


def counts_no_rows(query: Query) -> bool:
    """Whether a SELECT gives the same however often a row of it comes: persons are counted, or each is given once."""
    counted = [item.what for item in query.items if isinstance(item.what, Aggregate)]
    if query.having is not None or not all(AGGREGATES[one.kind].of_persons for one in counted):
        return False
    return bool(counted) or query.distinct or bool(query.groups)


def rows_below(told: In) -> str:
    """What to write where rows below several concepts would count several times."""
    codes = ", ".join(map(str, told.codes[:20])) + (", …" if len(told.codes) > 20 else "")
    # Words for people: nothing runs them.
    return (
        "A row below several of these concepts would be counted several times. Leave the JOIN to concept_ancestor out, and write "  # noqa: S608
        f"{told.column} IN (SELECT descendant_concept_id FROM concept_ancestor WHERE ancestor_concept_id IN ({codes}))."
    )


def refuse_few(query: Query) -> None:
    """Refuse a SELECT in brackets that takes some of its rows by their order; without LIMIT, their order says nothing."""
    if query.limit is not None or query.sets is not None:
        raise Refused(f"LIMIT and totals are of the whole question, not of a SELECT in brackets. {DERIVED}")


def selects(condition: Condition) -> Iterator[Belongs]:
    match condition:
        case Belongs():
            yield condition
        case Negated():
            yield from selects(condition.term)
        case Every() | Either():
            for part in condition.terms:
                yield from selects(part)
