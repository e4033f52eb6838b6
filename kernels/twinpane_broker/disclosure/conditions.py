"""The rules for each condition of a question. They come before the memory, and their refusals depend on no earlier answer.

A reader compares a question with and without a condition. Suppose that a condition leaves out one person whom everybody knows. Then the
two answers might tell whether the rest of the question holds for that person. So such a condition is refused whatever else is asked
(simulatable auditing, Kenthapadi, Mishra, Nissim 2005). Also, two counts, of a group and of its members with a code, tell as much as a
table of both. So class disclosure is judged on conditions too (ESSnet guidelines for output checking).
"""

from collections.abc import Iterator

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.class_conditions import tells_of_class
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import MAX_TERMS, AllOf, AnyOf, In, Leaf, Missing, Not, Predicate, leaves
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import class_rule, complement_rule, threshold_rule

from .beside import Measured
from .known_plans import of_persons


def conditions_are_safe(bound: ResolvedPlan, evidence: Evidence, rules: Rules) -> bool:
    """Whether no code set or part of an OR singles out a few persons by itself, and no condition discloses a class."""
    # The catalogue says of each code whether enough persons hold it. A code set gets the same answer, whatever is asked with it: a set that
    # nobody holds is refused like one that a few hold, or the refusal would tell which.
    if not all(threshold_rule(holders, rules.threshold) for holders in evidence.code_sets):
        return False
    return _parts_hold_enough(evidence, rules) and not any(
        _discloses(place, bound, evidence, rules) for place in range(len(evidence.conditions))
    )


def known_conditions_are_safe(bound: ResolvedPlan, measured: Measured, rules: Rules) -> bool:
    """Whether no condition on what everybody knows leaves out a few of everybody, by itself or beside some of the others.

    This follows from what everybody knows: who is judged are all persons, whatever else the question asks for, so that a refusal tells
    nothing of that. Whether a condition on something secret leaves out a few is not judged, as a refusal would tell of these
    (``known_around``). Raises EngineError.
    """
    known = of_persons(bound)
    if known is None or known.plan.where is None:
        return True
    evidence, asked = measured(known), bound.plan
    alone = asked.tables == known.plan.tables and not bound.axes and set(terms_of(asked.where)) == set(terms_of(known.plan.where))
    return _parts_hold_enough(evidence, rules) and _leave_enough(evidence, rules.threshold, split_further=not alone)


def _parts_hold_enough(evidence: Evidence, rules: Rules) -> bool:
    """Whether no part of an OR, nor what a condition denies, holds for a few, or for all but a few. One for nobody changes nothing."""
    everybody = len(evidence.population)
    return all(
        complement_rule(0, holds, rules.threshold) and complement_rule(holds, everybody, rules.threshold)
        for holds in (*evidence.ways, *(number for condition in evidence.conditions for number in condition.denied))
    )


def _leave_enough(evidence: Evidence, threshold: int, split_further: bool) -> bool:
    """Whether each condition leaves out nobody, or at least ``threshold`` persons.

    Judge this within everybody, and within the persons for whom some of the other conditions hold. Judge it within all the other
    conditions together only if the question is split further; otherwise the memory compares these two sets. If there are very many
    conditions, judge each beside at most two others.
    """
    sets = [condition.who for condition in evidence.conditions]
    for some, who in _chosen(evidence.population, sets, len(sets) if len(sets) <= MAX_TERMS else 2):
        for place in range(len(sets)):
            if place in some or (some and len(some) + 1 == len(sets) and not split_further):
                continue
            if not complement_rule(who.intersection_cardinality(sets[place]), len(who), threshold):
                return False
    return True


def _chosen(who: PersonSet, sets: list[PersonSet], most: int, some: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], PersonSet]]:
    """Every choice of at most ``most`` sets, as their places, with the persons of ``who`` who are in all the chosen sets."""
    yield some, who
    if len(some) < most:
        for place in range(some[-1] + 1 if some else 0, len(sets)):
            yield from _chosen(who & sets[place], sets, most, (*some, place))


def _discloses(place: int, bound: ResolvedPlan, evidence: Evidence, rules: Rules) -> bool:
    """Whether a condition on a sensitive dimension discloses a class: too large a share of the persons for whom all other conditions hold.

    If the condition allows several codes, only the commonest among those persons counts: that everybody holds one of five codes is no
    class. To have had a routine test is none either. A condition about everybody is no news, since the catalogue publishes the shares. A
    code to which the catalogue gives more than ``class_share`` of all rows is no news either, unless fewer than the threshold lack it.
    If conditions on events are not measured, the group counted here is larger than the real one.
    """
    condition = evidence.conditions[place]
    if condition.of_class:
        return _discloses_events(place, bound, evidence, rules)
    if condition.term is None or not tells_of_class(condition.term, bound) or _about_everybody(bound):
        return False
    group = len(_others(place, bound, evidence))
    part = evidence.persons if condition.commonest is None else min(evidence.persons, condition.commonest)
    if not threshold_rule(group, rules.threshold) or class_rule(part, group, rules):
        return False
    usual = _published_code(condition.term, bound) * 100 > rules.class_share
    return not (usual and group - part >= rules.threshold)


def _discloses_events(place: int, bound: ResolvedPlan, evidence: Evidence, rules: Rules) -> bool:
    """Whether too many of the persons for whom all other conditions hold have the events that a cohort requires, or leaves out.

    The catalogue publishes no share of persons with an event, so nothing of this is known beforehand.
    """
    condition, others = evidence.conditions[place], _others(place, bound, evidence)
    met = others.intersection_cardinality(condition.who)
    part = len(others) - met if condition.excludes else met
    return threshold_rule(len(others), rules.threshold) and not class_rule(part, len(others), rules)


def _others(place: int, bound: ResolvedPlan, evidence: Evidence) -> PersonSet:
    """The persons for whom all conditions but one hold. Those that imply that one are left out: nobody meets them without it."""
    others, implied_by = evidence.population, evidence.conditions[place].implied_by
    for other in evidence.conditions[:place] + evidence.conditions[place + 1 :]:
        if not (implied_by and other.term is not None and all(_is_about(leaf, implied_by, bound) for leaf in leaves(other.term))):
            others = others & other.who
    return others


def _is_about(leaf: Leaf, table: str, bound: ResolvedPlan) -> bool:
    """Whether a comparison reads a column of a table, by itself or in a difference of dates."""
    return any(split(column)[0] == table for column in bound.read_by(leaf.column))


def _about_everybody(bound: ResolvedPlan) -> bool:
    """Whether the condition is the question's only one, over one table."""
    plan = bound.plan
    return len(terms_of(plan.where)) == 1 and not plan.joins and not plan.firsts and plan.cohort is None


def _published_code(term: Predicate, bound: ResolvedPlan) -> float:
    """The largest share of rows that the catalogue gives to one of the allowed codes; for an OR, a lower bound of its share."""
    leaf = term.term if isinstance(term, Not) else term
    if not isinstance(leaf, In):
        return published(term, bound)
    held = set(leaf.codes)
    shares = [code.share for code in bound.column(leaf.column).codes if (code.value in held) is (leaf is term)]
    return max(shares, default=0.0)


def published(term: Predicate, bound: ResolvedPlan) -> float:
    """A lower bound, from the catalogue, of the share of rows for which a plain condition holds (Fréchet's bounds); 0 if it is unknown."""
    match term:
        case AnyOf():
            return max(published(part, bound) for part in term.terms)
        case AllOf():
            return max(0.0, 1 - sum(1 - published(part, bound) for part in term.terms))
        case Not():
            if not isinstance(term.term, In | Missing):
                return 0.0
            column = bound.column(term.term.column)
            missing = column.missing if isinstance(term.term, In) else 0.0
            return max(0.0, 1 - _listed(term.term, column) - missing)
        case _:
            return _listed(term, bound.column(term.column))


def _listed(leaf: Leaf, column: Column) -> float:
    if isinstance(leaf, Missing):
        return column.missing
    # True is 1 in a set, but a column has codes of one type.
    held = set(leaf.codes) if isinstance(leaf, In) else set()
    return sum(code.share for code in column.codes if code.value in held)
