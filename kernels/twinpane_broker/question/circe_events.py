"""Events of an OHDSI Circe definition (one entry of a ``CriteriaList``) as events of a cohort.

``DOMAINS`` and ``FILTERS`` map Circe's words to columns. A refusal names every other word of an event.
The meaning of each word is that of OHDSI/circe-be, the reference implementation.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from twinpane_broker.errors import Refused
from twinpane_ground import mistakes

from .cohort import Event
from .predicates import AllOf, Concept, ConceptSet, Not, Predicate, Range, Window

Made = TypeVar("Made")


@dataclass(frozen=True)
class Domain:
    """One kind of event: its table, and the columns of its concept, its source's concept, and its days."""

    table: str
    concept: str
    start: str
    source: str = ""
    end: str = ""


DOMAINS = {
    "ConditionOccurrence": Domain(
        "condition_occurrence", "condition_concept_id", "condition_start_date", "condition_source_concept_id", "condition_end_date"
    ),
    "DrugExposure": Domain(
        "drug_exposure", "drug_concept_id", "drug_exposure_start_date", "drug_source_concept_id", "drug_exposure_end_date"
    ),
    "ProcedureOccurrence": Domain("procedure_occurrence", "procedure_concept_id", "procedure_date", "procedure_source_concept_id"),
    "Measurement": Domain("measurement", "measurement_concept_id", "measurement_date", "measurement_source_concept_id"),
    "Observation": Domain("observation", "observation_concept_id", "observation_date", "observation_source_concept_id"),
    "VisitOccurrence": Domain("visit_occurrence", "visit_concept_id", "visit_start_date", "visit_source_concept_id", "visit_end_date"),
    "DeviceExposure": Domain(
        "device_exposure", "device_concept_id", "device_exposure_start_date", "device_source_concept_id", "device_exposure_end_date"
    ),
    "Specimen": Domain("specimen", "specimen_concept_id", "specimen_date"),
    "Death": Domain("death", "cause_concept_id", "death_date", "cause_source_concept_id"),
    "ConditionEra": Domain("condition_era", "condition_concept_id", "condition_era_start_date", end="condition_era_end_date"),
    "DrugEra": Domain("drug_era", "drug_concept_id", "drug_era_start_date", end="drug_era_end_date"),
}

CONCEPTS: dict[str, dict[str, str]] = {
    "ConditionOccurrence": {"ConditionType": "condition_type_concept_id", "ConditionStatus": "condition_status_concept_id"},
    "DrugExposure": {"DrugType": "drug_type_concept_id", "RouteConcept": "route_concept_id"},
    "ProcedureOccurrence": {"ProcedureType": "procedure_type_concept_id", "Modifier": "modifier_concept_id"},
    "Measurement": {
        "MeasurementType": "measurement_type_concept_id", "Operator": "operator_concept_id", "ValueAsConcept": "value_as_concept_id",
        "Unit": "unit_concept_id",
    },
    "Observation": {
        "ObservationType": "observation_type_concept_id", "ValueAsConcept": "value_as_concept_id", "Qualifier": "qualifier_concept_id",
        "Unit": "unit_concept_id",
    },
    "VisitOccurrence": {"VisitType": "visit_type_concept_id"},
    "DeviceExposure": {"DeviceType": "device_type_concept_id"},
    "Specimen": {"SpecimenType": "specimen_type_concept_id", "Unit": "unit_concept_id", "AnatomicSite": "anatomic_site_concept_id"},
    "Death": {"DeathType": "death_type_concept_id"},
}  # fmt: skip
"""Lists of concepts; each may come as a concept set too (``…CS``), and types may be left out instead (``…TypeExclude``)."""

NUMBERS: dict[str, dict[str, str]] = {
    "DrugExposure": {"Refills": "refills", "Quantity": "quantity", "DaysSupply": "days_supply"},
    "ProcedureOccurrence": {"Quantity": "quantity"},
    "Measurement": {"ValueAsNumber": "value_as_number", "RangeLow": "range_low", "RangeHigh": "range_high"},
    "Observation": {"ValueAsNumber": "value_as_number"},
    "DeviceExposure": {"Quantity": "quantity"},
    "Specimen": {"Quantity": "quantity"},
    "ConditionEra": {"OccurrenceCount": "condition_occurrence_count"},
    "DrugEra": {"OccurrenceCount": "drug_exposure_count", "GapDays": "gap_days"},
}  # fmt: skip
"""Ranges of numbers."""
STARTS = ("OccurrenceStartDate", "EraStartDate")
ENDS = ("OccurrenceEndDate", "EraEndDate")
AGES = ("Age", "AgeAtStart")
CORRELATED = "CorrelatedCriteria"
"""A group of criteria around the day of an event itself."""


@dataclass
class Reading:
    """The state while a definition is read: its concept sets, the parts that a cohort cannot say, and notes for the reader."""

    sets: dict[int, tuple[Concept, ...]] = field(default_factory=dict)
    unsupported: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def cannot(self, path: str, why: str = "") -> None:
        """Name a part that a cohort cannot say."""
        self.unsupported.append(f"{path}{f' ({why})' if why else ''}")

    def only(self, raw: dict[str, Any], known: Iterator[str] | tuple[str, ...] | set[str], path: str) -> None:
        """Name every unknown key that is not empty."""
        for key in sorted(raw.keys() - set(known)):
            if raw[key] not in (None, False, "", [], {}):
                self.cannot(f"{path}.{key}" if path else key)

    def concepts(self, codeset: Any, path: str) -> tuple[Concept, ...]:
        """The lines of a concept set."""
        if codeset not in self.sets:
            raise Refused(f"{path} names the concept set {codeset!r}, which the definition does not have.")
        return self.sets[codeset]


@dataclass(frozen=True)
class Said:
    """An event with Circe's further criteria on its person and day. For an entry event, these are judged at the index date."""

    event: Event
    path: str
    late: dict[str, Any] = field(default_factory=dict)


def event_of(raw: Any, path: str, reading: Reading) -> Said | None:
    """The event of one entry of a ``CriteriaList``; None where its kind is not supported, which is then named."""
    kind, said = one_of(raw, path)
    path = f"{path}.{kind}"
    if kind not in DOMAINS:
        reading.cannot(path)
        return None
    domain, first = DOMAINS[kind], bool(said.get("First"))
    terms: list[Predicate] = []
    late = {key: said[key] for key in ("Gender", "GenderCS", *AGES, CORRELATED) if said.get(key)}
    if said.get("CodesetId") is not None:
        terms.append(_set(domain.table, domain.concept, reading.concepts(said["CodesetId"], f"{path}.CodesetId")))
    filters = list(_filters(kind, domain, said, path, reading))
    starts = [key for key in STARTS if said.get(key)]
    if first:
        # Circe takes the first event of the concept set, and applies all other criteria to that event.
        for key, _ in filters:
            reading.cannot(f"{path}.{key}", "together with First")
        if starts:
            late["OccurrenceStartDate"] = said[starts[0]]
    else:
        terms += [term for _, term in filters]
        terms += [window_of(said[key], f"{domain.table}.{domain.start}", f"{path}.{key}", reading) for key in starts]
    known = {"CodesetId", "First", "Gender", "GenderCS", CORRELATED, *AGES, *STARTS, *(key for key, _ in filters)}
    reading.only(said, known | {f"{key}Exclude" for key in CONCEPTS.get(kind, {})}, path)
    where = None if not terms else terms[0] if len(terms) == 1 else made(lambda: AllOf(terms=tuple(terms)), path)
    return Said(made(lambda: Event(table=domain.table, where=where, date=domain.start, first=first), path), path, late)


def _filters(kind: str, domain: Domain, said: dict[str, Any], path: str, reading: Reading) -> Iterator[tuple[str, Predicate]]:
    """The further criteria on an event, besides its concept, first day and person: Circe's word, and the predicate."""
    for key, column in CONCEPTS.get(kind, {}).items():
        for listed in (key, f"{key}CS"):
            if said.get(listed):
                items, excluded = _listed(said[listed], f"{path}.{listed}", reading)
                term = _set(domain.table, column, items)
                yield listed, Not(term=term) if excluded or (listed == key and said.get(f"{key}Exclude")) else term
    for key, column in NUMBERS.get(kind, {}).items():
        if said.get(key):
            yield key, range_of(said[key], f"{domain.table}.{column}", f"{path}.{key}", reading)
    for key in ENDS:
        if said.get(key) and domain.end:
            yield key, window_of(said[key], f"{domain.table}.{domain.end}", f"{path}.{key}", reading)
    source = f"{re.split('(?<!^)(?=[A-Z])', kind)[0]}SourceConcept"
    if domain.source and said.get(source) is not None:
        yield source, _set(domain.table, domain.source, reading.concepts(said[source], f"{path}.{source}"))


def _listed(raw: Any, path: str, reading: Reading) -> tuple[tuple[Concept, ...], bool]:
    """The lines of a list of concepts or of a selected concept set, and whether they are to be left out."""
    if isinstance(raw, dict):
        return reading.concepts(raw.get("CodesetId"), path), bool(raw.get("IsExclusion"))
    return concepts_of(raw, path), False


def concepts_of(raw: Any, path: str) -> tuple[Concept, ...]:
    """A list of Circe's concepts, each alone."""
    try:
        return tuple(Concept(code=int(one["CONCEPT_ID"])) for one in raw)
    except (TypeError, KeyError, ValueError):
        raise Refused(f"{path} is not a list of concepts with a CONCEPT_ID each.") from None


def _set(table: str, column: str, items: tuple[Concept, ...]) -> ConceptSet:
    return ConceptSet(column=f"{table}.{column}", items=items)


def range_of(raw: Any, column: str, path: str, reading: Reading) -> Predicate:
    """A range of numbers (``Value``, ``Op``, ``Extent``)."""
    op, low, high = ends_of(raw, path)
    inside = {
        "gt": lambda: Range(column=column, low=low, above=True),
        "gte": lambda: Range(column=column, low=low),
        "lt": lambda: Range(column=column, high=low),
        "lte": lambda: Range(column=column, high=low, through=True),
        "eq": lambda: Range(column=column, low=low, high=low, through=True),
        "bt": lambda: Range(column=column, low=low, high=high, through=True),
    }
    return _ranged(inside, op, path)


def window_of(raw: Any, column: str, path: str, reading: Reading) -> Predicate:
    """A range of days."""
    op, low, high = ends_of(raw, path, _day)
    inside = {
        "gt": lambda: Window(column=column, start=low, after=True),
        "gte": lambda: Window(column=column, start=low),
        "lt": lambda: Window(column=column, end=low),
        "lte": lambda: Window(column=column, end=low, through=True),
        "eq": lambda: Window(column=column, start=low, end=low, through=True),
        "bt": lambda: Window(column=column, start=low, end=high, through=True),
    }
    return _ranged(inside, op, path)


def _ranged(inside: Mapping[str, Callable[[], Predicate]], op: str, path: str) -> Predicate:
    plain = op.removeprefix("!")
    if plain not in inside:
        raise Refused(f"{path}.Op is {op!r}, which Circe does not have.")
    term = made(inside[plain], path)
    return Not(term=term) if op.startswith("!") else term


def ends_of(raw: Any, path: str, read: Callable[[Any], Any] = float) -> tuple[str, Any, Any]:
    """The comparison, its value, and the second value of a range between two; raises Refused where one is missing."""
    try:
        op = str(raw["Op"])
        return op, read(raw["Value"]), read(raw["Extent"]) if op.endswith("bt") else None
    except (TypeError, KeyError, ValueError):
        raise Refused(f"{path} is not a range: it needs Value and Op, and for between an Extent.") from None


def half_open(raw: Any, path: str) -> tuple[date | None, date | None] | None:
    """A range of days as its first day and the day after its last. None for an end that the range leaves out."""
    op, low, high = ends_of(raw, path, _day)
    day = timedelta(days=1)
    return {
        "gt": (low + day, None), "gte": (low, None), "lt": (None, low), "lte": (None, low + day), "eq": (low, low + day),
        "bt": (low, high + day if high is not None else None),
    }.get(op)  # fmt: skip


def _day(raw: Any) -> date:
    return date.fromisoformat(str(raw)[:10])


def one_of(raw: Any, path: str) -> tuple[str, dict[str, Any]]:
    """The one key of a wrapper, and what it holds."""
    if not isinstance(raw, dict) or len(raw) != 1 or not isinstance(next(iter(raw.values())), dict):
        raise Refused(f"{path} is not one of Circe's criteria: an object with one key like ConditionOccurrence.")
    return next(iter(raw.items()))


def made(make: Callable[[], Made], path: str) -> Made:
    """The result of ``make``. A value out of bounds becomes a Refused that says where it is."""
    try:
        return make()
    except ValidationError as error:
        raise Refused(f"{path}: {mistakes.first(error).text}.") from None
