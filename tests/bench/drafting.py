"""Catalogues of real size: a vocabulary with thousands of codes in use, and tables with thousands of columns."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from twinpane.catalogues import completion
from twinpane.catalogues.search import search
from twinpane_broker import Broker, Catalogue, DuckEngine, Release, Role, SqliteMemory, build_store, load_rules, parse_sql
from twinpane_kernel.twin import write_twin
from twinpane_site.config import load_site
from twinpane_site.init import NewSite, make_site

from .figures import Goal, Line, alone

CODES = 10_000
"""Codes in use in each of three columns, as rare as Zipf's law has them."""
ROWS_EACH = 20
"""Rows of a person in each table of events."""
WIDE_ROWS = 500
STARTS = {"condition_occurrence": 4_000_000, "drug_exposure": 19_000_000, "measurement": 3_000_000}
"""The tables of events, and the first code of each."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def codes(root: Path, persons: int, repeat: int) -> list[Line]:
    """A site whose conditions, drugs and laboratory tests have ``CODES`` codes each: to draft, store, ask and search it."""
    data, home = _vocabulary_data(root / "codes-data", persons), root / "codes-site"
    drafted = _seconds(lambda: make_site(home, NewSite(id="codes", data=data), NOW))
    catalogue = load_site(home).catalogue.published
    size = len(catalogue.model_dump_json()) / 2**20
    listed = {column.name: len(column.codes) for table in catalogue.tables for column in table.columns if len(column.codes) > CODES // 10}
    stored = _seconds(lambda: build_store(data, catalogue, root / "codes.duckdb", root / "codes-register"))
    engine = DuckEngine(root / "codes.duckdb")
    broker = Broker(catalogue, load_rules({"preset": "10-5", "threshold": 10}), engine, SqliteMemory(root / "codes-memory.db"))
    # Not the commonest: hardly anybody has none of these, so that the few who have none would be told.
    some = ", ".join(str(STARTS["condition_occurrence"] + i) for i in range(21, 41))
    plan = parse_sql(
        "select condition_concept_id, count(distinct person_id) from condition_occurrence"
        f" where condition_concept_id in ({some}) group by 1",
        catalogue,
    )
    asked = _seconds(lambda: _released(broker.run(plan)))
    every = parse_sql("select condition_concept_id, count(distinct person_id) from condition_occurrence group by 1", catalogue)
    asked_all = _seconds(lambda: broker.run(every))
    engine.close()
    twin = root / "codes-twin"
    twin.mkdir()
    made = _seconds(lambda: write_twin([catalogue], twin))
    completion.keep({"codes": catalogue})
    completed = [1000 * _seconds(lambda: completion.columns("condition_occurrence")) for _ in range(repeat)]
    sites, words = {"codes": catalogue}, tuple(table.name for table in catalogue.tables)
    found = [1000 * _seconds(lambda: search(sites, words, "code 77", None, 0.0)) for _ in range(repeat)]
    note = f"{persons:,} persons, {ROWS_EACH} rows each in three tables; listed: {', '.join(f'{n} {many:,}' for n, many in listed.items())}"
    return [
        alone(f"site init, {CODES:,} codes in use", "s", [drafted], note=note),
        alone("  its catalogue, as it travels", "MiB", [size], Goal(8)),
        alone("  its store", "s", [stored]),
        alone("  persons by twenty of the codes, released", "s", [asked]),
        alone("  persons by every one of the codes", "s", [asked_all], Goal(10), "judged cell by cell, whether or not it is released"),
        alone("  its twin", "s", [made]),
        alone("  completion of column names", "ms", completed, Goal(50)),
        alone("  search over all codes", "ms", found, Goal(300)),
    ]


def wide(root: Path, columns: int) -> list[Line]:
    """A table of so many columns of all kinds: to draft and to store it."""
    data, home = root / "wide-data", root / "wide-site"
    data.mkdir()
    pq.write_table(_wide_table(columns), data / "person.parquet")
    drafted = _seconds(lambda: make_site(home, NewSite(id="wide", data=data), NOW))
    catalogue: Catalogue = load_site(home).catalogue.published
    stored = _seconds(lambda: build_store(data, catalogue, root / "wide.duckdb", root / "wide-register"))
    dimensions = sum(column.role is Role.dimension for table in catalogue.tables for column in table.columns)
    note = f"{WIDE_ROWS} rows; {dimensions:,} of them dimensions"
    return [alone(f"site init, {columns:,} columns", "s", [drafted], Goal(20), note), alone("  its store", "s", [stored])]


def _released(answer: object) -> None:
    if not isinstance(answer, Release):
        raise TypeError(f"the question was refused: {answer}")


def _seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _vocabulary_data(folder: Path, persons: int) -> Path:
    """OMOP's tables of events with codes as rare as Zipf's law has them, and the names of all codes."""
    folder.mkdir()
    with duckdb.connect() as connection:
        connection.execute("select setseed(0.5)")
        connection.execute("set threads = 1")  # or the numbers differ from run to run
        connection.execute(
            f"create table person as select i as person_id, 8507 + 25 * (i % 2) as gender_concept_id from range({persons}) t(i)"
        )
        # Zipf's law: the n-th code comes about 1/n as often as the first.
        code = f"floor(exp(random() * ln({CODES})))::bigint"
        events = f"from range({persons * ROWS_EACH}) t(i)"
        measures = {
            "drug_exposure": ", 1 + (random() * 90)::int as days_supply",
            "measurement": ", round(random() * 100, 1) as value_as_number",
        }
        for name, start in STARTS.items():
            kind = name.partition("_")[0]
            connection.execute(
                f"create table {name} as select i as {name}_id, i % {persons} as person_id, {start} + {code} as {kind}_concept_id,"
                f" date '2015-01-01' + (random() * 2000)::int as {kind}_start_date{measures.get(name, '')} {events}"
            )
        named = " union all ".join(f"select unnest(range({start}, {start + CODES})) as id" for start in STARTS.values())
        connection.execute(f"create table concept as select id as concept_id, 'the name of code ' || id as concept_name from ({named})")
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"copy {table} to '{folder / table}.parquet' (format parquet)")
    return folder


def _wide_table(columns: int) -> pa.Table:
    """A row a person: texts, whole numbers, numbers, truth values, dates and flags in turn."""
    rows = range(WIDE_ROWS)
    kinds: tuple[Callable[[int], pa.Array], ...] = (
        lambda c: pa.array([f"kind {(i * 7 + c) % 5}" for i in rows]),
        lambda c: pa.array([(i * 3 + c) % 4 for i in rows], pa.int64()),
        lambda c: pa.array([(i * 37 + c) % 1000 / 10 for i in rows]),
        lambda c: pa.array([(i + c) % 3 == 0 for i in rows]),
        lambda c: pa.array([15_000 + (i * 11 + c) % 3000 for i in rows], pa.int32()).cast(pa.date32()),
        lambda c: pa.array([(i * 13 + c) % 200 for i in rows], pa.int64()),
    )
    arrays = {f"column_{place}": kinds[place % len(kinds)](place) for place in range(columns)}
    return pa.table({"person_id": pa.array(rows, pa.int64()), **arrays})
