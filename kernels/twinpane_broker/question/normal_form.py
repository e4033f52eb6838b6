"""Predicates in normal form: the conditions of a WHERE, independent of how it is written."""

from functools import lru_cache
from itertools import chain, product

from twinpane_broker.model import Same

from .predicates import MAX_CODES, AllOf, AnyOf, CodeValue, In, Not, Predicate


def plain(predicate: Predicate) -> Predicate:
    """The same predicate, simplified: NOT only before single comparisons, no nested AND or OR, one set of codes per column in an OR."""
    return _plain(predicate, True)


def terms_of(predicate: Predicate | None) -> tuple[Predicate, ...]:
    """The conditions of a WHERE that must all hold. Each is a comparison, its negation, or an OR of these.

    They are the conjunctive normal form, without clauses that follow from others. So a question has the same conditions however it is
    written. Eight comparisons make at most a few dozen conditions.
    """
    return () if predicate is None else _terms(Same(predicate))


@lru_cache(maxsize=64)
def _terms(predicate: Same) -> tuple[Predicate, ...]:
    clauses = list(dict.fromkeys(_clauses(plain(predicate.value))))
    sets = [frozenset(clause) for clause in clauses]
    kept = [
        clause for place, clause in enumerate(clauses)
        if not any(other < sets[place] or (other == sets[place] and at < place) for at, other in enumerate(sets))
    ]  # fmt: skip
    return tuple(dict.fromkeys(_any_of(list(clause)) for clause in kept))


def literals(term: Predicate) -> tuple[Predicate, ...]:
    """The comparisons, or their negations, of which at least one must hold for a condition to hold."""
    return term.terms if isinstance(term, AnyOf) else (term,)


def denied(term: Predicate) -> tuple[Predicate, ...]:
    """The comparisons that a condition negates."""
    return tuple(literal.term for literal in literals(term) if isinstance(literal, Not))


def ways(terms: tuple[Predicate, ...]) -> tuple[tuple[Predicate, ...], ...]:
    """The ways in which a question's ORs may hold together: one term from each of some ORs. At most 2⁸, for eight comparisons."""
    found: dict[frozenset[Predicate], tuple[Predicate, ...]] = {}
    for term in terms:
        if isinstance(term, AnyOf):
            longer = [(*way, literal) for way in [(), *found.values()] for literal in term.terms if literal not in way]
            found |= {frozenset(way): way for way in longer if frozenset(way) not in found}
    return tuple(found.values())


def _plain(predicate: Predicate, truth: bool) -> Predicate:
    if isinstance(predicate, Not):
        return _plain(predicate.term, not truth)
    if not isinstance(predicate, AllOf | AnyOf):
        return predicate if truth else Not(term=predicate)
    kind = AllOf if isinstance(predicate, AllOf) is truth else AnyOf
    terms: list[Predicate] = []
    for term in predicate.terms:
        made = _plain(term, truth)
        terms += made.terms if isinstance(made, kind) else (made,)
    if kind is AnyOf:
        return _any_of(terms)
    return terms[0] if len(terms) == 1 else AllOf(terms=tuple(terms))


def _clauses(term: Predicate) -> list[tuple[Predicate, ...]]:
    """A plain predicate as an AND of ORs; gives the terms of each OR."""
    if isinstance(term, AllOf):
        return [clause for part in term.terms for clause in _clauses(part)]
    if isinstance(term, AnyOf):
        return [tuple(dict.fromkeys(chain(*choice))) for choice in product(*map(_clauses, term.terms))]
    return [(term,)]


def _any_of(terms: list[Predicate]) -> Predicate:
    terms = _united(terms)
    return terms[0] if len(terms) == 1 else AnyOf(terms=tuple(terms))


def _united(terms: list[Predicate]) -> list[Predicate]:
    """The terms of an OR with one code set a column."""
    codes: dict[str, tuple[CodeValue, ...]] = {}
    others: list[Predicate] = []
    for term in terms:
        if isinstance(term, In) and len(codes.get(term.column, ())) + len(term.codes) <= MAX_CODES:
            codes[term.column] = codes.get(term.column, ()) + term.codes
        else:
            others.append(term)
    return [In(column=column, codes=held) for column, held in codes.items()] + others
