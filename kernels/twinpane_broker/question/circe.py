"""OHDSI Circe definitions (what ATLAS exports as JSON), read into cohorts.

The reader knows the common part of the language. One refusal names every other part by its key path; nothing is silently ignored. Parts
that only say where a person's time in the cohort ends do not change who is in it. The result mentions them in a note.
"""

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from twinpane_broker.errors import Refused

from .circe_events import CORRELATED, DOMAINS, Reading, Said, concepts_of, ends_of, event_of, half_open, made
from .cohort import (
    MAX_CRITERIA,
    MAX_DAYS,
    MAX_ENTRIES,
    Aged,
    Cohort,
    Criterion,
    Ending,
    Entry,
    Event,
    Happened,
    Indexed,
    Observation,
    Step,
    Times,
)
from .predicates import Concept, ConceptSet

MAX_BYTES = 5_000_000
PERSON = "person"
OF_PERSON = {"Gender": "gender_concept_id", "Race": "race_concept_id", "Ethnicity": "ethnicity_concept_id"}
TIMES = {0: Times.exactly, 1: Times.at_most, 2: Times.at_least}


@dataclass(frozen=True)
class CirceCohort:
    """A definition as a cohort, with notes on the differences between the two."""

    cohort: Cohort
    notes: tuple[str, ...] = ()


def read_circe(source: str | bytes | dict[str, Any], name: str = "") -> CirceCohort:
    """Read a Circe definition: JSON text or what it decodes to, by itself or as WebAPI wraps it (``name``, ``expression``).

    Raises Refused, naming every part that a cohort cannot say, or the place that is not Circe.
    """
    raw, name = _decoded(source, name)
    try:
        return _read(raw, name)
    except Refused:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        # A value has another type than Circe's. The text of Python's own error would not help the reader.
        raise Refused(f"The definition is damaged ({type(error).__name__}): export it from ATLAS again, as JSON.") from None


def _read(raw: dict[str, Any], name: str) -> CirceCohort:
    reading = Reading()
    known = {"PrimaryCriteria", "AdditionalCriteria", "ConceptSets", "QualifiedLimit", "ExpressionLimit", "InclusionRules"}
    reading.only(raw, known | {"cdmVersionRange", "Title", "EndStrategy", "CollapseSettings"}, "")
    _ends(raw, reading)
    for index, one in enumerate(_list(raw, "ConceptSets", "")):
        _concept_set(one, f"ConceptSets[{index}]", reading)
    entry, steps = _entry(raw, reading)
    for index, rule in enumerate(_list(raw, "InclusionRules", "")):
        path = f"InclusionRules[{index}]"
        reading.only(rule, {"name", "description", "expression"}, path)
        steps += _steps(_dict(rule, "expression", path), str(rule.get("name") or f"rule {index + 1}"), f"{path}.expression", reading)
    if (criteria := sum(len(step.criteria) for step in steps)) > MAX_CRITERIA:
        reading.cannot("InclusionRules", f"{criteria} criteria, more than {MAX_CRITERIA}")
    if reading.unsupported:
        raise Refused(
            f"This ATLAS definition uses what a cohort here cannot say: {', '.join(_once(reading.unsupported))}. "
            "Take these parts out in ATLAS and export it again."
        )
    title = (name or str(raw.get("Title") or ""))[:120]
    cohort = made(lambda: Cohort(name=title, entry=entry, steps=tuple(steps)), "the definition")
    return CirceCohort(cohort, tuple(dict.fromkeys(reading.notes)))


def _once(paths: list[str]) -> list[str]:
    """Key paths without repetition. Paths that differ only in positions within lists count as one."""
    alike: dict[str, list[str]] = {}
    for path in paths:
        alike.setdefault(re.sub(r"\[\d+\]", "[…]", path), []).append(path)
    return [found[0] if len(found) == 1 else f"{shape} ({len(found)} times)" for shape, found in alike.items()]


def _decoded(source: str | bytes | dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    raw: Any = source
    for _ in range(3):  # text, a wrapper, and text inside it
        # Windows programs begin a file with a mark of its encoding.
        raw = raw.removeprefix("\ufeff") if isinstance(raw, str) else raw.removeprefix(b"\xef\xbb\xbf") if isinstance(raw, bytes) else raw
        if isinstance(raw, str | bytes):
            if len(raw) > MAX_BYTES:
                raise Refused(f"The definition is larger than {MAX_BYTES // 1_000_000} MB, more than any ATLAS exports.")
            try:
                raw = json.loads(raw)
            except (ValueError, RecursionError):
                raise Refused("This is not JSON. In ATLAS: open the cohort definition, Export, JSON, and copy all of it.") from None
        if isinstance(raw, dict) and "PrimaryCriteria" not in raw and isinstance(raw.get("expression"), dict | str):
            name, raw = name or str(raw.get("name") or ""), raw["expression"]
    if not isinstance(raw, dict) or "PrimaryCriteria" not in raw:
        raise Refused("This JSON is not a Circe cohort definition: it has no PrimaryCriteria.")
    return raw, name


def _ends(raw: dict[str, Any], reading: Reading) -> None:
    """Read where time in the cohort ends. An offset, an era of drugs and the joining of periods do not change which persons are in it."""
    strategy = raw.get("EndStrategy") or {}
    reading.only(strategy, {"DateOffset", "CustomEra"}, "EndStrategy")
    if "DateOffset" in strategy or "CustomEra" in strategy or (raw.get("CollapseSettings") or {}).get("EraPad"):
        reading.notes.append(
            "Where a person's time in the cohort ends (EndStrategy, CollapseSettings) is not kept: it does not change who is in it."
        )


def _concept_set(raw: Any, path: str, reading: Reading) -> None:
    items = []
    for index, item in enumerate(_list(_dict(raw, "expression", path), "items", f"{path}.expression")):
        if item.get("includeMapped"):
            reading.cannot(f"{path}.expression.items[{index}].includeMapped")
        (concept,) = concepts_of([item.get("concept")], f"{path}.expression.items[{index}].concept")
        descendants, excluded = bool(item.get("includeDescendants")), bool(item.get("isExcluded"))
        items.append(Concept(code=concept.code, descendants=descendants, excluded=excluded))
    if not any(not item.excluded for item in items):
        raise Refused(f"{path} ({str(raw.get('name'))[:60]}) puts no concept in.")
    reading.sets[raw.get("id")] = tuple(items)


def _entry(raw: dict[str, Any], reading: Reading) -> tuple[Entry, list[Step]]:
    """The entry with its steps: the criteria on the person and day of its events, and AdditionalCriteria."""
    path = "PrimaryCriteria"
    primary = _dict(raw, path, "")
    reading.only(primary, {"CriteriaList", "ObservationWindow", "PrimaryCriteriaLimit"}, path)
    window = primary.get("ObservationWindow") or {}
    listed = _list(primary, "CriteriaList", path)
    said = [one for index, event in enumerate(listed) if (one := event_of(event, f"{path}.CriteriaList[{index}]", reading)) is not None]
    first = _first(primary.get("PrimaryCriteriaLimit"), f"{path}.PrimaryCriteriaLimit", reading)
    steps = _late(said, path, reading)
    late = bool(steps)
    if late and first:
        steps[-1] = steps[-1].model_copy(update={"first": True})
    group, qualified = raw.get("AdditionalCriteria"), _first(raw.get("QualifiedLimit"), "QualifiedLimit", reading)
    if group:
        steps += _steps(_dict(raw, "AdditionalCriteria", ""), "additional criteria", "AdditionalCriteria", reading)
        # Without additional criteria Circe ignores this limit.
        if steps and qualified:
            steps[-1] = steps[-1].model_copy(update={"first": True})
        first = first or (qualified and not steps)
    if not _first(raw.get("ExpressionLimit"), "ExpressionLimit", reading) and not first and not (group and qualified):
        reading.notes.append("A person is in the cohort once, at the earliest index date that meets every rule (ExpressionLimit: All).")
    observation = made(
        lambda: Observation(prior_days=window.get("PriorDays", 0), post_days=window.get("PostDays", 0)), f"{path}.ObservationWindow"
    )
    if not listed:
        raise Refused(f"{path}.CriteriaList is empty: a cohort needs an entry event.")
    if len(said) > MAX_ENTRIES:
        reading.cannot(f"{path}.CriteriaList", f"{len(said)} entry events, more than {MAX_ENTRIES}")
    # Where none is left, a refusal follows.
    events = tuple(one.event for one in said[:MAX_ENTRIES]) or (Event(table=PERSON),)
    return made(lambda: Entry(events=events, observation=observation, first=first and not late), path), steps


def _first(raw: Any, path: str, reading: Reading) -> bool:
    limit = str((raw or {}).get("Type") or "First").lower()
    if limit not in ("first", "all"):
        reading.cannot(f"{path}.Type {limit.capitalize()}")
    return limit == "first"


def _late(said: list[Said], path: str, reading: Reading) -> list[Step]:
    """The criteria of entry events on person and day, and around the day. All entry events must ask for the same."""
    asked = [{("Age" if key == "AgeAtStart" else key): value for key, value in one.late.items()} for one in said]
    if any(late != asked[0] for late in asked):
        for key in sorted({key for late in asked for key in late}):
            reading.cannot(f"{path}.CriteriaList[…].{key}", "not the same for all entry events")
        return []
    wanted = dict(asked[0]) if asked else {}
    group = wanted.pop(CORRELATED, None)
    criteria = _of_person(wanted, path, reading) if wanted else []
    steps = [made(lambda: Step(name="at entry", criteria=tuple(criteria)), path)] if criteria else []
    if group is not None:
        steps += _steps(_dict(asked[0], CORRELATED, path), "around entry", f"{path}.CriteriaList[…].{CORRELATED}", reading)
    return steps


def _steps(group: dict[str, Any], name: str, path: str, reading: Reading) -> list[Step]:
    """The steps of a group: one for the criteria that must all hold, and one for every inner group of which one criterion must hold."""
    kind, members, inner = _group(group, path, reading)
    if kind is None:
        return []
    outer = [criterion for one in members for criterion in one]
    if len(outer) > MAX_CRITERIA:
        reading.cannot(f"{path}.CriteriaList", f"{len(outer)} criteria, more than {MAX_CRITERIA}")
        return []
    if kind != "all" and any(len(one) > 1 for one in members):
        reading.cannot(f"{path}.DemographicCriteriaList", f"several conditions at once in a group of type {kind}")
    steps = [made(lambda: Step(name=name[:120], criteria=tuple(outer), any=kind != "all", exclude=kind == "none"), path)] if outer else []
    for place, below in inner:
        added = _steps(below, name, place, reading)
        if kind == "all":
            steps += added
        elif len(added) == 1 and added[0].any and not added[0].exclude and kind == "any":
            criteria = (*(steps[0].criteria if steps else ()), *added[0].criteria)
            steps = [made(partial(Step, name=name[:120], criteria=criteria, any=True), path)]
        elif added:
            reading.cannot(place, f"inside a group of type {kind}")
    if not steps and not reading.unsupported:
        reading.notes.append(f"{name!r} has no criteria and leaves nobody out.")
    return steps


_Groups = list[tuple[str, dict[str, Any]]]


def _group(group: dict[str, Any], path: str, reading: Reading) -> tuple[str | None, list[list[Criterion]], _Groups]:
    """How a group combines its parts (all, any or none of them), its own criteria, and the groups inside it."""
    reading.only(group, {"Type", "Count", "CriteriaList", "DemographicCriteriaList", "Groups"}, path)
    members = [
        [criterion]
        for index, one in enumerate(_list(group, "CriteriaList", path))
        if (criterion := _correlated(one, f"{path}.CriteriaList[{index}]", reading)) is not None
    ]
    for index, one in enumerate(_list(group, "DemographicCriteriaList", path)):
        members.append(_of_person(one, f"{path}.DemographicCriteriaList[{index}]", reading))
    inner = [(f"{path}.Groups[{index}]", one) for index, one in enumerate(_list(group, "Groups", path))]
    kind, count, size = str(group.get("Type") or "ALL").upper(), group.get("Count"), len(members) + len(inner)
    if kind == "ALL" or (kind == "AT_LEAST" and count == size):
        return "all", members, inner
    if kind == "ANY" or (kind == "AT_LEAST" and count == 1):
        return "any", members, inner
    if kind == "AT_MOST" and count == 0:
        return "none", members, inner
    reading.cannot(f"{path}.Type {kind} {count}")
    return None, [], []


def _correlated(raw: dict[str, Any], path: str, reading: Reading) -> Criterion | None:
    """So many events in a window around the index date."""
    reading.only(raw, {"Criteria", "StartWindow", "EndWindow", "Occurrence", "IgnoreObservationPeriod"}, path)
    said = event_of(raw.get("Criteria"), f"{path}.Criteria", reading)
    window, times = raw.get("StartWindow") or {}, _dict(raw, "Occurrence", path)
    reading.only(window, {"Start", "End"}, f"{path}.StartWindow")
    if times.get("IsDistinct"):
        reading.cannot(f"{path}.Occurrence.IsDistinct")
    if said is not None:
        for key in said.late:
            reading.cannot(f"{said.path}.{key}")
    start = _end(window.get("Start"), -1, f"{path}.StartWindow.Start", reading)
    end = _end(window.get("End"), 1, f"{path}.StartWindow.End", reading)
    ending = _ending(raw.get("EndWindow") or {}, said, f"{path}.EndWindow", reading)
    if said is None:
        return None
    if times.get("Type") not in TIMES:
        raise Refused(f"{path}.Occurrence.Type is {times.get('Type')!r}; Circe has 0, 1 and 2.")
    observed = not raw.get("IgnoreObservationPeriod")
    return made(
        lambda: Happened(
            event=said.event,
            start=start,
            end=end,
            times=TIMES[times["Type"]],
            count=times.get("Count", 0),
            observed=observed,
            ending=ending,
        ),
        path,
    )


def _ending(window: dict[str, Any], said: Said | None, path: str, reading: Reading) -> Ending | None:
    """The window of an event's last day. ``UseEventEnd`` is what Circe means where it does not say."""
    reading.only(window, {"Start", "End", "UseEventEnd"}, path)
    if not window or said is None:
        return None
    start, end = _end(window.get("Start"), -1, f"{path}.Start", reading), _end(window.get("End"), 1, f"{path}.End", reading)
    last = next((domain.end for domain in DOMAINS.values() if domain.table == said.event.table), "")
    if window.get("UseEventEnd") is False or not last or said.event.first:
        reading.cannot(path, "not of an event's last day")
        return None
    return None if start is None and end is None else made(lambda: Ending(date=last, start=start, end=end), path)


def _end(raw: Any, outwards: int, path: str, reading: Reading) -> int | None:
    """One end of a window in days from the index date; None where it is open."""
    coefficient = (raw or {}).get("Coeff", outwards)
    if (raw or {}).get("Days") is None:
        if coefficient != outwards:
            reading.cannot(path, "open towards the wrong side")
        return None
    days = int(raw["Days"]) * int(coefficient)
    if abs(days) > MAX_DAYS:
        reading.cannot(path, f"further than {MAX_DAYS:,} days; an open end is “All days”")
        return None
    return days


def _of_person(raw: dict[str, Any], path: str, reading: Reading) -> list[Criterion]:
    """The criteria on a person at the index date: age, sex, race, ethnicity, and the date itself."""
    reading.only(raw, {"Age", "OccurrenceStartDate", *OF_PERSON, *(f"{key}CS" for key in OF_PERSON)}, path)
    criteria: list[Criterion] = []
    if raw.get("Age"):
        criteria += _aged(raw["Age"], f"{path}.Age", reading)
    for key, column in OF_PERSON.items():
        for listed in (key, f"{key}CS"):
            if raw.get(listed):
                criteria += _of_codes(raw[listed], column, f"{path}.{listed}", reading)
    if raw.get("OccurrenceStartDate"):
        ends = half_open(raw["OccurrenceStartDate"], f"{path}.OccurrenceStartDate")
        if ends is None:
            reading.cannot(f"{path}.OccurrenceStartDate.Op")
        else:
            criteria.append(made(lambda: Indexed(start=ends[0], end=ends[1]), f"{path}.OccurrenceStartDate"))
    return criteria


def _aged(raw: Any, path: str, reading: Reading) -> list[Criterion]:
    op, value, extent = ends_of(raw, path)
    low, high = int(value), int(extent) if extent is not None else None
    ends = {"gt": (low + 1, None), "gte": (low, None), "lt": (None, low - 1), "lte": (None, low), "eq": (low, low), "bt": (low, high)}
    if op not in ends:
        reading.cannot(f"{path}.Op {op}")
        return []
    return [made(lambda: Aged(low=ends[op][0], high=ends[op][1]), path)]


def _of_codes(raw: Any, column: str, path: str, reading: Reading) -> list[Criterion]:
    if isinstance(raw, dict):
        items, excluded = reading.concepts(raw.get("CodesetId"), path), bool(raw.get("IsExclusion"))
    else:
        items, excluded = concepts_of(raw, path), False
    event = Event(table=PERSON, where=ConceptSet(column=f"{PERSON}.{column}", items=items))
    return [Happened(event=event, times=Times.exactly, count=0) if excluded else Happened(event=event)]


def _list(raw: Any, key: str, path: str) -> list[dict[str, Any]]:
    found = (raw.get(key) if isinstance(raw, dict) else None) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Refused(f"{f'{path}.' if path else ''}{key} is not a list of objects, as it is in Circe.")
    return found


def _dict(raw: Any, key: str, path: str) -> dict[str, Any]:
    found = raw.get(key) if isinstance(raw, dict) else None
    if not isinstance(found, dict):
        raise Refused(f"{f'{path}.' if path else ''}{key} is missing, or not what it is in Circe.")
    return found
