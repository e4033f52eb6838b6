"""A small hospital for the broker's tests: tables as Parquet, a catalogue over them, and a broker on both; and evidence made by hand."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.cells.cell_evidence import CellEvidence, Spread
from twinpane_broker.cells.person_sets import NOBODY, PersonSet
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.disclosure.beside import Beside
from twinpane_broker.disclosure.judge import Judged
from twinpane_broker.disclosure.judge import judge as judge_beside
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.engine import Engine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import ADMITTED, PERSONS, REFUSED, InProcessMemory, Memory
from twinpane_broker.release.release import Refusal, Release, sign
from twinpane_broker.rules.policy import Rules, load_rules
from twinpane_broker.sql import parse_sql

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
SECRET = b"the same in each run of a test"
"""It decides how near a set must be to a released one to bear its number."""
TEN_FIVE = load_rules({"preset": "10-5", "threshold": 10})


def codes(*values: Any, share: float | None = None) -> tuple[Code, ...]:
    """Approved codes of equal share."""
    each = round(1 / len(values), 2) if share is None else share
    return tuple(Code(value=value, share=each, label=f"label of {value}") for value in values)


CATALOGUE = Catalogue(
    site="north",
    snapshot="2026-10",
    persons=1000,
    tables=(
        Table(
            name="person",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key"),
                Column(name="sex", type="varchar", role="dimension", codes=codes("F", "M")),
                Column(name="race", type="varchar", role="dimension", codes=codes("a", "b", "c"), missing=0.1),
                Column(name="age", type="integer", role="measure", bounds=(0, 100), unit="years", label="age at entry"),
                Column(name="weight", type="double", role="measure", bounds=(0, 200), unit="kg"),
                Column(name="smoker", type="boolean", role="dimension", codes=codes(True, False)),
                Column(name="note", type="varchar", role="text"),
                Column(name="mrn", type="varchar", role="hidden"),
            ),
        ),
        Table(
            name="visit",
            person_key="person_id",
            columns=(
                Column(name="visit_id", type="integer", role="key"),
                Column(name="person_id", type="integer", role="key", references="person.person_id"),
                Column(name="day", type="date", role="date", days=("2019-03-01", "2021-06-01")),
                Column(name="ward", type="varchar", role="dimension", codes=codes("icu", "er", "day")),
                Column(name="lactate", type="double", role="measure", bounds=(0, 20), unit="mmol/l", precision=0.1),
            ),
        ),
        Table(
            name="drug",
            person_key="patient",
            columns=(
                Column(name="patient", type="integer", role="key", references="person.person_id"),
                Column(name="visit_id", type="integer", role="key", references="visit.visit_id"),
                Column(name="name", type="varchar", role="dimension", codes=codes("x", "y")),
                Column(name="dose", type="double", role="measure", bounds=(0, 1000)),
            ),
        ),
    ),
)


def people(n: int = 1000, **columns: Any) -> pd.DataFrame:
    """Persons 0 … n-1; further columns replace the defaults and may be functions of the person's number."""
    made = {
        "person_id": lambda i: i,
        "sex": lambda i: "FM"[i % 2],
        "race": lambda i: "abc"[i % 3],
        "age": lambda i: 20 + i % 60,
        "weight": lambda i: 50.0 + i % 40,
        "smoker": lambda i: i % 5 == 0,
        "note": lambda i: f"canary-{i}",
        "mrn": lambda i: f"mrn-{i}",
        **columns,
    }
    return pd.DataFrame({name: [value(i) if callable(value) else value for i in range(n)] for name, value in made.items()})


def visits(rows: list[Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """Visits; without rows, one per person 0 … 999."""
    rows = rows if rows is not None else [{"person_id": i} for i in range(1000)]
    first = pd.Timestamp("2019-01-01")
    full = [
        {"visit_id": i, "day": first + pd.Timedelta(days=i % 900), "ward": ("icu", "er", "day")[i % 3], "lactate": 1.0 + i % 7, **row}
        for i, row in enumerate(rows)
    ]
    return pd.DataFrame(full, columns=["visit_id", "person_id", "day", "ward", "lactate"])


def drugs(rows: list[Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """Prescriptions; without rows, one per person 0 … 999, at the visit of the same number."""
    rows = rows if rows is not None else [{"patient": i} for i in range(1000)]
    full = [{"visit_id": i, "name": "xy"[i % 2], "dose": 10.0 + i % 9, **row} for i, row in enumerate(rows)]
    return pd.DataFrame(full, columns=["patient", "visit_id", "name", "dose"])


def snapshot(folder: Path, **tables: pd.DataFrame) -> Path:
    """The tables as Parquet files; those that are not given are the defaults."""
    for name, frame in {"person": people(), "visit": visits(), "drug": drugs(), **tables}.items():
        frame.to_parquet(folder / f"{name}.parquet")
    return folder


class World:
    """A broker over a folder of tables, asked in SQL. Without a ``memory`` it has one of its own."""

    def __init__(
        self,
        folder: Path,
        rules: Rules = TEN_FIVE,
        catalogue: Catalogue = CATALOGUE,
        memory: Memory | None = None,
        engine: Engine | None = None,
        secret: bytes = SECRET,
        **tables: pd.DataFrame,
    ) -> None:
        self.catalogue = catalogue
        self.engine = engine or DuckEngine(build_store(snapshot(folder, **tables), catalogue))
        self.secret = secret
        self.remember(memory or InProcessMemory(), rules)

    def remember(self, memory: Memory, rules: Rules = TEN_FIVE) -> None:
        """Go on with a broker of this memory."""
        self.memory = memory
        self.broker = Broker(self.catalogue, rules, self.engine, memory, signer=lambda release: sign(release, KEY), secret=self.secret)

    def ask(self, sql: str) -> Release | Refusal:
        """The broker's answer to a SELECT."""
        return self.broker.run(parse_sql(sql, self.catalogue))

    def cells(self, sql: str) -> dict[tuple[str, ...], tuple[Any, ...]]:
        """The released values by the categories' texts (codes, not labels)."""
        release = self.ask(sql)
        assert isinstance(release, Release), release
        return {
            tuple(f"({c.kind})" if c.value is None else str(c.value) for c in row.key): tuple(value.value for value in row.values)
            for row in release.rows
        }


def some(n: int, start: int = 0) -> PersonSet:
    """The ``n`` persons numbered from ``start``."""
    return PersonSet(range(start, start + n))


def one_row_each(who: PersonSet, spreads: tuple[Spread | None, ...] = ()) -> CellEvidence:
    """A cell in which every person has one row."""
    return CellEvidence(who, len(who), min(len(who), 1), int(len(who) > 1), spreads)


def evidence(bound: Any, persons: Mapping[tuple[int, ...], int], whole: int | None = None, population: int | None = None) -> Evidence:
    """Evidence of cells with so many persons, one row each: persons of their own per cell.

    With fewer persons in the ``whole`` question than in its cells, the first ones are in several; with more, the rest is in none.
    """
    total = sum(persons.values()) if whole is None else whole
    cells, start = {}, 0
    for cell, n in persons.items():
        cells[cell] = one_row_each(PersonSet(i % total for i in range(start, start + n)))
        start += n
    return Evidence(population=some(population or total), who=some(total), cells=cells)


def spread_of(values: Mapping[int, Iterable[float]] | Iterable[float], middle: float = 0.0) -> Spread | None:
    """The exact spread of persons' values, given by person or one per person 0, 1, 2, …; None where there are none."""
    by_person = values if isinstance(values, Mapping) else {i: [value] for i, value in enumerate(values)}
    given = {person: list(own) for person, own in by_person.items() if list(own)}
    every = [value for own in given.values() for value in own]
    if not every:
        return None
    sizes = sorted((abs(sum(own)) for own in given.values()), reverse=True)
    return Spread(
        who=PersonSet(given), values=len(every), total=sum(every), absolute=sum(sizes), largest=sizes[0], second=[*sizes, 0.0][1],
        low=min(every), high=max(every), most_values=max(map(len, given.values())), squares=sum((v - middle) ** 2 for v in every),
    )  # fmt: skip


Admits = Callable[[PersonSet], bool]
AdmitsRows = Callable[[PersonSet, int, int], bool]


def beside(admits: Admits, rows: AdmitsRows, seen: Any = None) -> Beside:
    """Beside a memory that refuses some sets of persons without a stand-in, and does not look at descriptions."""
    return Beside(
        places=lambda who, _name, kind, _totals: ADMITTED if kind != PERSONS or admits(who) else REFUSED,
        admits=lambda who, _name, _totals: admits(who), admits_rows=rows,
        stands_in=lambda _who: None, instead=lambda _who: None, distance=lambda _name: 10,
        measured=lambda bound: seen if bound.plan.measures else Evidence(NOBODY, NOBODY, {}),  # nobody is known without being asked about
    )  # fmt: skip


def judge(bound: ResolvedPlan, seen: Evidence, rules: Rules, admits: Admits, rows: AdmitsRows, secret: bytes = b"") -> Judged:
    """The judge beside such a memory."""
    return judge_beside(bound, seen, rules, beside(admits, rows, seen), secret)


def any_rows(_who: PersonSet, _rows: int, _most: int) -> bool:
    """A memory that has no number of rows to compare with."""
    return True


def bound_to(sql: str, catalogue: Catalogue = CATALOGUE) -> Any:
    """A SELECT checked against the catalogue."""
    return check(parse_sql(sql, catalogue), catalogue)
