"""Columns that depend on another of their table: names and source values on their code, units and values on the row's subject.

Only pairs that at least the threshold of persons hold are known here. Only columns whose names speak of the same thing are paired: a
catalogue must not say that a disease always comes with one sex.
"""

from collections.abc import Mapping, Sequence

from twinpane_broker import CodeValue, Column, Given, Role

from . import names, rounding
from .evidence import Evidence


def pair_columns(table: str, columns: Sequence[Column], evidence: Evidence) -> list[Column]:
    """The columns, with what they follow and the labels of codes that have a name beside them."""
    found = {c.name: c for c in columns}
    dimensions = [c for c in columns if c.role is Role.dimension]
    subject = names.subject(table, [c.name for c in dimensions])
    groups: dict[str, list[Column]] = {}
    for column in dimensions:
        groups.setdefault(names.stem(column.name), []).append(column)
    for group in groups.values():
        if names.follows_subject(group[0].name) and subject:
            for unit in group:
                found[unit.name] = _following(unit, found[subject], evidence)
        elif len(group) > 1:
            root, *others = sorted(group, key=lambda c: (-len(c.codes), not c.name.endswith("_concept_id"), "source" in c.name))
            for other in others:
                found[other.name] = _following(other, root, evidence)
                found[root.name] = _labelled(found[root.name], found[other.name])
    for column in columns:
        bins = groups.get(names.stem(column.name), [])
        decides = bins[0].name if bins else subject
        if column.role is Role.measure and decides:
            found[column.name] = _by_subject(column, found[decides], evidence)
    return [found[c.name] for c in columns]


def concept_labels(columns: Sequence[Column], labels: Mapping[CodeValue, str]) -> list[Column]:
    """The columns, codes of concepts that have no label yet labelled from the vocabulary."""

    def labelled(column: Column) -> Column:
        if column.role is not Role.dimension or not names.concept(column.name):
            return column
        codes = tuple(c.model_copy(update={"label": c.label or labels.get(c.value, "")[:300]}) for c in column.codes)
        return column.model_copy(update={"codes": codes})

    return [labelled(c) for c in columns]


def _following(column: Column, root: Column, evidence: Evidence) -> Column:
    listed, roots = {c.value for c in column.codes}, {c.value for c in root.codes}
    pairs = [(a, b) for a, b in evidence.pairs(root.name, column.name) if a in roots and b in listed]
    if not pairs or len({a for a, _ in pairs}) < len(pairs):
        return column
    return column.model_copy(update={"follows": root.name, "given": tuple(Given(code=a, value=b) for a, b in pairs)})


def _labelled(root: Column, other: Column) -> Column:
    if other.follows != root.name or other.name.endswith("_id") or "source" in other.name:
        return root
    label = {g.code: str(g.value)[:300] for g in other.given}
    return root.model_copy(update={"codes": tuple(c.model_copy(update={"label": c.label or label.get(c.value, "")}) for c in root.codes)})


def _by_subject(column: Column, subject: Column, evidence: Evidence) -> Column:
    (low, high), given = column.bounds or (0.0, 1.0), []
    known = evidence.numbers_by(column.name, subject.name)
    for code in subject.codes:
        if (numbers := known.get(code.value)) is not None:
            step = max(rounding.precision(numbers.decimals, numbers.high - numbers.low), column.precision or 0.0)
            coarser = step if step > (column.precision or 0.0) else None
            given.append(Given(code=code.value, knots=rounding.knots(numbers.quantiles, numbers.persons, step), precision=coarser))
            own_low, own_high = rounding.reaching(numbers.low, numbers.high, numbers.quantiles, numbers.outer)
            low, high = min(low, own_low), max(high, own_high)
    if not given:
        return column
    return column.model_copy(
        update={"follows": subject.name, "given": tuple(given), "bounds": rounding.outward(low, high, column.precision or 0.0)}
    )
