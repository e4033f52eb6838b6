"""What one process measures on one size of data, as JSON: ``python -m tests.bench.broker_figures PART DATA HOME PERSONS N``."""

import gc
import json
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import duckdb

from twinpane_broker.broker import Broker
from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql

from . import broker_world as world

CROSSTAB = "SELECT gender_concept_id, race_concept_id, count(*) AS n FROM person GROUP BY gender_concept_id, race_concept_id"
MEANS = "SELECT measurement_concept_id, avg(value_as_number) AS m FROM measurement GROUP BY measurement_concept_id"
MEANS_BY_SEX = (
    "SELECT gender_concept_id, measurement_concept_id, avg(value_as_number) AS m FROM measurement "
    "JOIN person ON measurement.person_id = person.person_id GROUP BY gender_concept_id, measurement_concept_id"
)


MOST_CELLS = 40


def main(part: str, data: Path, home: Path, persons: int, count: int) -> dict[str, Any]:
    """Measure a part; times in milliseconds."""
    home.mkdir(parents=True, exist_ok=True)
    for remembered in home.glob("*.db*"):
        remembered.unlink()
    parts = {"persons": crosstab, "events": means, "questions": many, "exact": partial(many, rules=world.EXACT)}
    return parts[part](data, home, persons, count)


def crosstab(data: Path, home: Path, persons: int, count: int) -> dict[str, Any]:
    """Sex × race of everybody, a new memory each time, against DuckDB's own GROUP BY on a table of its own; and what the index took."""
    built = _timed(lambda: world.engine(data, home, persons).close())
    # Once more, alone: the store is made, only its facts and its index are worked out again.
    again = _timed(lambda: world.survey_again(home, persons))
    engine = world.engine(data, home, persons)
    with _raw(data, "person", "person_id, gender_concept_id, race_concept_id") as raw:
        memories = iter(range(count + 1))
        ours = lambda: _new(world.broker(engine, home, persons, memory=f"{next(memories)}.db"), CROSSTAB)  # noqa: E731
        pairs = _pairs(count, lambda: _timed(lambda: raw.execute(CROSSTAB).fetchall()), ours)
    return {"built": built, "index_seconds": again / 1000, "pairs": pairs, "index": _index_size(home), "memory": _peak()}


def means(data: Path, home: Path, persons: int, count: int) -> dict[str, Any]:
    """Mean by test, and by test and sex, of every measurement."""
    built = _timed(lambda: world.engine(data, home, persons, events=True).close())
    engine = world.engine(data, home, persons, events=True)
    answer: dict[str, Any] = {"built": built}
    memories = iter(range(10 * count + 10))
    peak = 0
    for name, sql in (("means", MEANS), ("means_by_sex", MEANS_BY_SEX)):
        brokers = (world.broker(engine, home, persons, events=True, memory=f"{next(memories)}.db") for _ in range(count + 1))
        # The first one reads the sets of the index that it needs, as the first one after a start does.
        answer[f"{name}_first"], *ours = [_new(broker, sql) for broker in brokers]
        peak = _peak()
        answer[name] = ours
    # Plain DuckDB keeps its tables in this process: only now, so that the peak above is the broker's alone.
    with _raw(data, "measurement", "person_id, measurement_concept_id, value_as_number") as raw:
        raw.execute(f"CREATE TABLE person AS SELECT person_id, gender_concept_id FROM '{data / 'person.parquet'}'")
        rows = raw.execute("SELECT count(*) FROM measurement").fetchone()[0]
        for name, sql in (("means", MEANS), ("means_by_sex", MEANS_BY_SEX)):
            theirs = [_timed(lambda sql=sql: raw.execute(sql).fetchall()) for _ in range(count + 1)][1:]
            answer[name] = list(zip(theirs, answer[name], strict=True))
    return {**answer, "rows": rows, "memory": peak}


def many(data: Path, home: Path, persons: int, count: int, rules: Rules = world.RULES) -> dict[str, Any]:
    """``count`` different questions of one project, one after the other, with one memory."""
    broker = world.broker(world.engine(data, home, persons), home, persons, memory="many.db", rules=rules)
    took = []
    for sql in _different(count):
        plan = parse_sql(sql, broker.catalogue)
        gc.collect()
        took.append(_timed(lambda plan=plan: broker.run(plan)))
    released = statistics.mean(isinstance(broker.run(parse_sql(sql, broker.catalogue)), Release) for sql in _different(count))
    return {"took": took, "released": released, "memory": _peak()}


def _different(count: int) -> Iterator[str]:
    """Ordinary questions in no order, no two alike: a crosstab of two dimensions among those who hold one code of a third."""
    columns = {column.name: [code.value for code in column.codes] for column in world.DIMENSIONS if not column.name.endswith("_id")}
    every = [
        f"SELECT {one}, {two}, count(*) AS n FROM person WHERE {third} = {code!r} GROUP BY {one}, {two}"
        for one, two in combinations(columns, 2) if len(columns[one]) * len(columns[two]) <= MOST_CELLS
        for third in columns if third not in (one, two)
        for code in columns[third]
    ]  # fmt: skip
    random.Random(1).shuffle(every)
    return islice(every, count)


def _new(broker: Broker, sql: str) -> float:
    plan = parse_sql(sql, broker.catalogue)
    answers = []
    took = _timed(lambda: answers.append(broker.run(plan)))
    if not isinstance(answers[0], Release):
        raise SystemExit(f"the broker withheld what the bench asks: {answers[0]}")
    return took


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _pairs(count: int, plain: Callable[[], float], ours: Callable[[], float]) -> list[tuple[float, float]]:
    """Turn by turn, so that both feel the same load; the first turn, which warms up, is left out."""
    return [(plain(), ours()) for _ in range(count + 1)][1:]


def _raw(data: Path, table: str, columns: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE {table} AS SELECT {columns} FROM '{data / f'{table}.parquet'}'")
    return connection


def _index_size(home: Path) -> int:
    return (home / "store.index").stat().st_size


def _peak() -> int:
    """The most memory that this process had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    name, data, home, persons, count = sys.argv[1:]
    print(json.dumps(main(name, Path(data), Path(home), int(persons), int(count))))
