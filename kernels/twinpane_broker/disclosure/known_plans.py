"""Questions like one, without what is secret of it: everybody may know how many persons these are about, without asking.

Acquaintances know of a person what the catalogue calls not sensitive, and when he came; not what he had, and not whether he has a row in a
table at all. So a question has several such ones around it: with some of its tables of events or without; with its cohort as far as that is
known or without; and a condition on something secret *or* something known as if the secret held for everybody, or for nobody.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations, islice, product

from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.check.secret_conditions import is_secret, is_secret_column, is_secret_first
from twinpane_broker.question.cohort import Cohort
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import Join, names_used, split
from twinpane_broker.question.predicates import AllOf, Predicate, leaves

from .known_ways import NOTHING, Rest, Terms, ways_of_cohort, ways_of_event, ways_of_terms

Tables = frozenset[str]
MOST = 64
"""Such questions that are looked at; a question with more is withheld."""
LOOKED_AT = 4096
"""Combinations of which these are the different ones."""


def known_plans(bound: ResolvedPlan) -> tuple[ResolvedPlan, ...] | None:
    """The questions around one that ask for nothing secret, without groups and numbers; those with fewer conditions first.

    None if they are too many to look at.
    """
    every = chain.from_iterable(map(_known_choices, _with_known_firsts(bound)))
    found = {(known.plan, *known.firsts.items()): known for known in islice(every, LOOKED_AT)}
    # A question with more could hide one that tells of somebody: the caller withholds it. It follows from the question alone.
    return tuple(found.values()) if len(found) <= MOST and next(every, None) is None else None


def _known_choices(bound: ResolvedPlan) -> Iterator[ResolvedPlan]:
    home = home_of(bound)
    events = tuple(name for name in bound.plan.tables if name != home and not is_secret_first(name, bound))
    cohorts = dict.fromkeys((None, *(cohort for cohort, _ in islice(_known_cohorts(bound), LOOKED_AT))))
    some = (tables for size in range(len(events) + 1) for tables in combinations(events, size))
    tables = ((home, *of) if home is not None and (home in bound.plan.tables or not of) else of for of in some)
    for of in tables:
        for cohort, (terms, _) in product(cohorts, _known_terms(bound, frozenset(of))) if of else ():
            yield _plan(bound, of, cohort, terms)


def region_plans(bound: ResolvedPlan) -> tuple[tuple[ResolvedPlan, Rest], ...]:
    """The known questions with all tables of which the rows are known, each with what must hold besides.

    Whoever is in one of them is in the question if its rest holds for one of his rows. They are at most ``LOOKED_AT``; what has more
    has more known questions than are looked at.
    """
    tables = tuple(name for name in bound.plan.tables if not is_secret_first(name, bound)) or tuple(filter(None, [home_of(bound)]))
    if not tables:
        return ()
    secret = frozenset(f"first {bound.firsts[name].event}" for name in bound.plan.tables if name not in tables and name in bound.firsts)
    every = islice(product(_known_cohorts(bound), _known_terms(bound, frozenset(tables))), LOOKED_AT)
    return tuple(
        (_plan(bound, tables, cohort, terms), _least(secret | of_cohort | of_terms))
        for (cohort, of_cohort), (terms, of_terms) in every
        if of_cohort is not None
    )


def _least(rest: Rest) -> Rest:
    """Without what follows from others: where one of two secrets must hold, so does one of these and a third."""
    groups = [one for one in rest if isinstance(one, frozenset)]
    return Rest(one for one in rest if not (isinstance(one, frozenset) and any(other < one for other in groups)))


def of_persons(bound: ResolvedPlan) -> ResolvedPlan | None:
    """The question of the table of persons alone, with the conditions on what everybody knows; None if there are several such tables."""
    home = home_of(bound)
    if home is None:
        return None
    return _plan(bound, (home,), None, tuple(term for term in terms_of(bound.plan.where) if _is_known(term, bound, frozenset({home}))))


def grouped(known: ResolvedPlan, bound: ResolvedPlan, kept: tuple[int, ...], measures: tuple[Measure, ...] = ()) -> ResolvedPlan | None:
    """One of these questions by some axes of the asked one, with numbers; None if not all that is named is known where that is."""
    axes = tuple(bound.axes[place] for place in kept)
    named = (*(column for axis in axes for column in _columns(axis)), *names_used((), measures, None))
    asked = replace(bound, firsts={**bound.firsts, **known.firsts})
    if any(is_secret_column(column, asked) or not _is_in(column, bound, frozenset(known.plan.tables)) for column in named):
        return None
    groups = tuple(bound.plan.group_by[place] for place in kept)
    used = names_used(groups, measures, known.plan.where)
    differences = tuple(one for one in bound.plan.differences if one.name in used)
    plan = known.plan.model_copy(update={"group_by": groups, "measures": measures, "differences": differences})
    return replace(known, plan=plan, axes=axes, cells=tuple(product(*(range(len(axis.categories)) for axis in axes))))


def known_axes(bound: ResolvedPlan, kept: tuple[int, ...]) -> tuple[int, ...]:
    """Those of some axes whose categories everybody knows; of a secret first event's day it is known when it was, if it was at all."""
    return tuple(place for place in kept if not any(is_kept_secret(column, bound) for column in _columns(bound.axes[place])))


def is_known_beside(bound: ResolvedPlan, column: str) -> bool:
    """Whether everybody knows the values of a column, or with no name the rows, of the persons of these questions.

    Whoever knows them would see one person missing in a mean, or in a number of rows. Of the table of persons they are known in any case.
    Days of events are known to those who know who has such events; if nothing secret is asked besides, these know the answer too.
    """
    if column and is_kept_secret(column, bound):
        return False
    return bool(column and is_of_persons(column, bound)) or asks_for_secrets(bound)


def is_kept_secret(column: str, bound: ResolvedPlan) -> bool:
    """Whether nobody knows the values of a column: not the day of a first event either, whichever event that was."""
    return is_secret_column(column, next(_with_known_firsts(bound)))


def is_of_persons(column: str, bound: ResolvedPlan) -> bool:
    """Whether a column is one of the table of persons."""
    home = home_of(bound)
    return home is not None and _is_in(column, bound, frozenset({home}))


def asks_for_secrets(bound: ResolvedPlan) -> bool:
    """Whether its conditions are about more than what everybody knows."""
    plan = bound.plan
    return (
        plan.cohort is not None
        or any(is_secret_first(name, bound) for name in plan.tables)
        or any(is_secret(leaf, bound) for leaf in leaves(plan.where))
    )


def home_of(bound: ResolvedPlan) -> str | None:
    """The table of persons to which the tables of a question belong; None if they belong to several."""
    homes = {(bound.catalogue.home(bound.table(name)) or bound.table(name)).name for name in bound.plan.tables}
    return homes.pop() if len(homes) == 1 else None


def _plan(bound: ResolvedPlan, tables: tuple[str, ...], cohort: Cohort | None, terms: tuple[Predicate, ...]) -> ResolvedPlan:
    plan, where = bound.plan, AllOf(terms=terms) if len(terms) > 1 else next(iter(terms), None)
    used = names_used((), (), where)
    known = plan.model_copy(
        update={
            "table": tables[0], "joins": tuple(_joins(bound, tables)), "cohort": cohort, "where": where, "group_by": (), "measures": (),
            "margins": False, "firsts": tuple(first for first in plan.firsts if first.name in tables),
            "differences": tuple(one for one in plan.differences if one.name in used),
        }
    )  # fmt: skip
    return replace(bound, plan=known, axes=(), cells=((),), firsts={name: first for name, first in bound.firsts.items() if name in tables})


def _joins(bound: ResolvedPlan, tables: tuple[str, ...]) -> Iterator[Join]:
    """The question's joins of these tables; by persons where the table that one was joined to is gone."""
    asked = {join.table: join for join in bound.plan.joins}
    for place, name in enumerate(tables[1:], 1):
        join = asked.get(name)
        if join is not None and split(join.left)[0] in tables[:place]:
            yield join
        else:
            left, right = (f"{each}.{bound.table(each).person_key}" for each in (tables[0], name))
            yield Join(table=name, left=left, right=right)


def _known_terms(bound: ResolvedPlan, tables: Tables) -> Iterator[tuple[Terms, Rest]]:
    return ways_of_terms(terms_of(bound.plan.where), lambda part: _is_known(part, bound, tables))


def _known_cohorts(bound: ResolvedPlan) -> Iterator[tuple[Cohort | None, Rest | None]]:
    return iter([(None, NOTHING)]) if bound.plan.cohort is None else ways_of_cohort(bound.plan.cohort, bound)


def _with_known_firsts(bound: ResolvedPlan) -> Iterator[ResolvedPlan]:
    """The question, and what it is if first events of something secret are those of any row of their tables: then their days are known."""
    secret = [name for name in bound.firsts if is_secret_first(name, bound)]
    for chosen in product(*(ways_of_event(bound.firsts[name].event, bound) for name in secret)):
        firsts = {name: bound.firsts[name].model_copy(update={"event": event}) for name, (event, _) in zip(secret, chosen, strict=True)}
        yield replace(bound, firsts={**bound.firsts, **firsts})
    if secret:
        yield bound


def _is_known(part: Predicate, bound: ResolvedPlan, tables: Tables) -> bool:
    """Whether a condition is about what everybody knows, in these tables."""
    return not is_secret(part, bound) and all(_is_in(leaf.column, bound, tables) for leaf in leaves(part))


def _is_in(reference: str, bound: ResolvedPlan, tables: Tables) -> bool:
    return all(split(column)[0] in tables for column in bound.read_by(reference))


def _columns(axis: Axis) -> tuple[str, ...]:
    return (axis.column, *(leaf.column for leaf, _ in axis.arms))
