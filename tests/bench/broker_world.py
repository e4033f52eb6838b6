"""Generated data as a steward would publish it, and a broker on it."""

from datetime import date
from pathlib import Path

import duckdb

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.engine.store.local_runner import LocalRunner
from twinpane_broker.engine.store.survey import survey
from twinpane_broker.memory import SqliteMemory
from twinpane_broker.rules.policy import Rules, load_rules
from twinpane_hub.data.vocabulary import AGE_GROUPS, AS_OF, ETHNICITIES, LABS, RACES, SEXES

YEARS = range(AS_OF.year - 84, AS_OF.year - 24)
"""Sixty years of birth; earlier and later ones are no approved codes."""


def _dimension(name: str, values: list[str] | list[int]) -> Column:
    kind = "varchar" if isinstance(values[0], str) else "integer"
    share = round(1 / len(values), 2)
    return Column(name=name, type=kind, role="dimension", codes=tuple(Code(value=value, share=share) for value in values))


RULES = load_rules({"preset": "10-5", "threshold": 10, "withheld_per_day": 10_000})
EXACT = load_rules({"preset": "cms-11", "threshold": 11, "withheld_per_day": 10_000})
DIMENSIONS = (
    _dimension("gender_concept_id", [concept for concept, _, _ in SEXES]),
    _dimension("race_concept_id", [concept for concept, _ in RACES]),
    _dimension("ethnicity_concept_id", [concept for concept, _ in ETHNICITIES]),
    _dimension("sex", [name for _, name, _ in SEXES]),
    _dimension("race", [name for _, name in RACES]),
    _dimension("ethnicity", [name for _, name in ETHNICITIES]),
    _dimension("age_group", list(AGE_GROUPS)),
    _dimension("month_of_birth", list(range(1, 13))),
    _dimension("day_of_birth", list(range(1, 32))),
    _dimension("year_of_birth", list(YEARS)),
)
"""Ten dimensions of two to sixty codes."""

PERSON = Table(
    name="person", person_key="person_id", columns=(Column(name="person_id", type="integer", role="key"), *DIMENSIONS)
)  # fmt: skip
MEASUREMENT = Table(
    name="measurement",
    person_key="person_id",
    columns=(
        Column(name="person_id", type="integer", role="key", references="person.person_id"),
        _dimension("measurement_concept_id", [lab.concept for lab in LABS]),
        Column(name="measurement_date", type="date", role="date", days=(date(2016, 1, 1), AS_OF)),
        Column(name="value_as_number", type="double", role="measure", bounds=(0, 300)),
    ),
)


def catalogue(persons: int, *, events: bool) -> Catalogue:
    """What a site with these tables publishes."""
    return Catalogue(site="bench", snapshot="bench", persons=persons, tables=(PERSON, MEASUREMENT) if events else (PERSON,))


def engine(data: Path, home: Path, persons: int, *, events: bool = False) -> DuckEngine:
    """An engine on the Parquet files in ``data``; its store and index lie in ``home``."""
    return DuckEngine(build_store(data, catalogue(persons, events=events), home / "store.duckdb", home / "register"))


def broker(on: DuckEngine, home: Path, persons: int, *, events: bool = False, memory: str = "memory.db", rules: Rules = RULES) -> Broker:
    """A broker with a durable memory in ``home``."""
    return Broker(catalogue(persons, events=events), rules, on, SqliteMemory(home / memory))


def survey_again(home: Path, persons: int) -> None:
    """Work out facts and index of a store once more, beside it."""
    with duckdb.connect(str(home / "store.duckdb"), read_only=True, config={"memory_limit": "1GB"}) as connection:
        survey(LocalRunner(connection), catalogue(persons, events=False), "again", home / "again.index", in_order=True)
    (home / "again.index").unlink()
