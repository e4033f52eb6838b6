"""What is left of conditions, events and cohorts without what is secret of them, and what must then hold besides.

Acquaintances know of a person what the catalogue calls not sensitive, and when he came; not what he had. So a condition on something secret
may hold for everybody or for nobody, and an event that is told by something secret may be any row of its table, or none.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import product

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.check.secret_conditions import is_secret
from twinpane_broker.question.cohort import Cohort, Criterion, Entry, Event, Happened, Step, Times, is_undated
from twinpane_broker.question.normal_form import literals, terms_of
from twinpane_broker.question.predicates import AllOf, AnyOf, Predicate, leaves

Rest = frozenset[Hashable]
"""What must hold besides, all of it secret, for one of whom the known part of a question holds to be in it."""
NOTHING = Rest()
IsKnown = Callable[[Predicate], bool]
Terms = tuple[Predicate, ...]


def ways_of_terms(terms: Iterable[Predicate], is_known: IsKnown) -> Iterator[tuple[Terms, Rest]]:
    """What conditions are without their unknown parts, as these hold for everybody or, in some of them, for nobody."""
    for chosen in product(*(_ways_of_term(term, is_known) for term in terms)):
        yield tuple(dict.fromkeys(term for term, _ in chosen if term is not None)), Rest(rest for _, rest in chosen if rest)


def ways_of_cohort(cohort: Cohort, bound: ResolvedPlan) -> Iterator[tuple[Cohort | None, Rest | None]]:
    """The cohort as far as it is known: each event and each step by itself. None: nothing of it.

    There is no rest where a way says of nobody's secret whether he is in the cohort: others say it more closely.
    """
    for entry, entered in _ways_of_entry(cohort.entry, bound) if cohort.entry is not None else [(None, NOTHING)]:
        # Of a cohort that is entered by something secret, nobody knows the days from which steps count: those at any time are known.
        is_dated = entry is not None or cohort.entry is None
        # Each way once: known steps have one, or their number would push what is told by the others out of sight.
        for chosen in product(*(dict.fromkeys(_ways_of_step(step, bound, is_dated)) for step in cohort.steps)):
            steps = tuple(step for part, _ in chosen for step in part)
            known = cohort.model_copy(update={"entry": entry, "steps": steps}) if steps or entry is not None else None
            yield known, _together(entered, *(rest for _, rest in chosen))


def ways_of_event(event: Event, bound: ResolvedPlan) -> Iterator[tuple[Event, Rest]]:
    """An event as far as it is known: as any row of its table, with the known conditions; the first is the widest."""
    if not _is_secret_event(event, bound):
        yield event, NOTHING
        return
    for terms, rest in ways_of_terms(terms_of(event.where), lambda part: not is_secret(part, bound)):
        where = AllOf(terms=terms) if len(terms) > 1 else next(iter(terms), None)
        yield event.model_copy(update={"where": where}), rest


def _ways_of_term(term: Predicate, is_known: IsKnown) -> Iterator[tuple[Predicate | None, Rest]]:
    parts = literals(term)
    known = tuple(part for part in parts if is_known(part))
    if len(known) < len(parts):
        yield None, Rest(parts) - {*known}
    if known:
        yield term if len(known) == len(parts) else AnyOf(terms=known) if len(known) > 1 else known[0], NOTHING


def _ways_of_entry(entry: Entry, bound: ResolvedPlan) -> Iterator[tuple[Entry | None, Rest | None]]:
    if not any(_is_secret_event(event, bound) for event in entry.events):
        yield entry, NOTHING
        return
    is_told_apart = any(_has_known_part(event, bound) for event in entry.events)
    yield None, None if is_told_apart else Rest({entry})
    for chosen in product(*(_ways_or_none(event, bound) for event in entry.events)):
        events = tuple(event for event, _ in chosen if event is not None)
        if events:
            rest = Rest(("entered", at, rest) for at, (_, rest) in enumerate(chosen) if rest)
            yield entry.model_copy(update={"events": events}), rest if is_told_apart else None


def _ways_or_none(event: Event, bound: ResolvedPlan) -> Iterator[tuple[Event | None, Rest]]:
    ways = tuple(ways_of_event(event, bound))
    yield from ways
    if all(rest for _, rest in ways):
        yield None, NOTHING


def _ways_of_step(step: Step, bound: ResolvedPlan, is_dated: bool) -> Iterator[tuple[tuple[Step, ...], Rest | None]]:
    """What is known of a step, with as many or as few persons as there may be: the step, or none. Nobody is no way."""
    for chosen in product(*(_ways_of_criterion(one, bound, is_dated, step.exclude) for one in step.criteria)):
        kept = tuple(one for one, _ in chosen if not isinstance(one, bool))
        rest = _together(*(rest for _, rest in chosen))
        rest = Rest({("excluded" if step.exclude else "required", rest)}) if rest else rest
        if any(one is step.any for one, _ in chosen):
            # The criteria hold for everybody, or for nobody.
            if step.any is not step.exclude:
                yield (), rest
        elif kept:
            yield (step.model_copy(update={"criteria": kept, "first": step.first and is_dated}),), rest
        elif step.any is step.exclude:
            yield (), rest


def _ways_of_criterion(
    criterion: Criterion, bound: ResolvedPlan, is_dated: bool, denied: bool
) -> Iterator[tuple[Criterion | bool, Rest | None]]:
    """A criterion as far as it is known, or that it holds for everybody (True) or for nobody (False).

    ``denied``: whether it leaves persons out. Then it is the rest that it does not hold.
    """
    if not (is_dated or is_undated(criterion)):
        yield True, NOTHING if denied else Rest({criterion})
        yield False, Rest({criterion}) if denied else NOTHING
        return
    if not isinstance(criterion, Happened) or not _is_secret_event(criterion.event, bound):
        yield criterion, NOTHING
        return
    if criterion.times is not Times.at_least and (more := _at_least_more(criterion)) is not None:
        # Who has at most so many is whoever has not one more.
        for value, rest in _ways_of_criterion(more, bound, is_dated, not denied):
            if isinstance(value, bool):
                yield not value, rest
            else:
                yield value.model_copy(update={"times": Times.at_most, "count": more.count - 1}), rest
        return
    events = tuple(ways_of_event(criterion.event, bound))
    has_least = all(rest for _, rest in events)
    # Whoever has fewer rows than count has surely not so many such events.
    is_told_apart = criterion.times is Times.at_least and (_has_known_part(criterion.event, bound) or criterion.count > 1)
    secret = Rest({criterion})
    if denied:
        yield True, NOTHING
        if has_least or not is_told_apart:
            yield False, secret
    else:
        yield True, None if criterion.times is Times.at_least else secret
        if has_least or not is_told_apart:
            yield False, NOTHING
    for place, (event, rest) in enumerate(events):
        told = (secret if place else NOTHING) if denied else rest
        tells = is_told_apart or (criterion.times is Times.at_least and not denied)
        yield criterion.model_copy(update={"event": event}), told if tells else None


def _at_least_more(criterion: Happened) -> Happened | None:
    """The criterion that holds for those for whom this one does not, which counts at most so many events, or exactly none."""
    if criterion.times is Times.exactly and criterion.count:
        return None
    return criterion.model_copy(update={"times": Times.at_least, "count": criterion.count + 1})


def _together(*rests: Rest | None) -> Rest | None:
    return None if any(rest is None for rest in rests) else NOTHING.union(*(rest for rest in rests if rest))


def _is_secret_event(event: Event, bound: ResolvedPlan) -> bool:
    return any(is_secret(leaf, bound) for leaf in leaves(event.where))


def _has_known_part(event: Event, bound: ResolvedPlan) -> bool:
    return any(not is_secret(leaf, bound) for leaf in leaves(event.where))
