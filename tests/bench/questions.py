"""``tp.sql`` of three sites against plain DuckDB on the same files, and a broker alone against DuckDB alone."""

import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from twinpane_broker.release import Release
from twinpane_broker.sql import parse_sql
from twinpane_site import keys
from twinpane_site.brokers import open_broker
from twinpane_site.config import KEYS, load_site
from twinpane_site.snapshot import materialise

from .cells import turns
from .figures import Line, paired
from .kernels import BenchError, Kernel


def in_a_cell(plain: Kernel, ours: Kernel, data: list[Path], count: int, pause: Callable[[], None]) -> Line:
    """A cell that asks all sites and shows their tables, against a cell that asks DuckDB for the same of the same files, all in one."""
    files = [str(folder / "person.parquet") for folder in data]
    plain.run("import duckdb")
    plain.run(f"duckdb.sql(\"select count(*) n from read_parquet({files!r})\").fetchall()")
    ours.run("import twinpane as tp")
    question = "select gender_concept_id, count(*) n from person group by gender_concept_id"
    ours.run(f"tp.sql({question!r})")
    theirs = question.replace("from person", f"from read_parquet({files!r})")

    def mine() -> float:
        pause()
        return ours.run(f"display(tp.sql({question!r}))").done * 1000

    def duck() -> float:
        return plain.run(f"display(duckdb.sql({theirs!r}).df())").done * 1000

    note = "replies leave at 25, 50, 100 … ms: that grid is part of the figure"
    return paired("tp.sql of three sites, cell to cell", "ms", turns(count, duck, mine), None, note)


def different(codes: list[str], count: int) -> list[str]:
    """Questions that no memory of a broker knows: the same table of another set of codes each."""
    chosen = [[code for bit, code in enumerate(codes) if number >> bit & 1] for number in range(3, 3 + count)]
    listed = [", ".join(f"'{code}'" for code in each) for each in chosen]
    table = "from condition_occurrence where condition_name in ({}) group by condition_name"
    return [f"select condition_name, count(*) n {table.format(each)}" for each in listed]


def at_the_broker(folder: Path, count: int) -> Line:
    """A question as the broker answers it, rules and memory included, against the same GROUP BY of plain DuckDB on the same rows."""
    site = load_site(folder)
    catalogue = site.catalogue.published
    snapshot = materialise(site.config, site.catalogue, folder)
    broker = open_broker(site, catalogue, snapshot, keys.load(folder / KEYS))
    connection = duckdb.connect()
    connection.execute(f"create table condition_occurrence as from '{snapshot.folder / 'condition_occurrence.parquet'}'")
    names = next(column for table in catalogue.tables for column in table.columns if column.name == "condition_name")
    sqls = different([str(code.value) for code in names.codes][:12], count + 1)
    plans = iter([parse_sql(sql, catalogue) for sql in sqls])
    texts = iter(sqls)

    def ours() -> float:
        plan = next(plans)
        began = time.perf_counter()
        result = broker.run(plan)
        took = (time.perf_counter() - began) * 1000
        if not isinstance(result, Release):
            raise BenchError(f"the broker withheld what the bench asks: {result}")
        return took

    def duck() -> float:
        sql = next(texts)
        began = time.perf_counter()
        connection.execute(sql).fetchall()
        return (time.perf_counter() - began) * 1000

    ours(), duck()
    return paired("broker: a new question", "ms", turns(count, duck, ours), None, "from plan to signed release, rules and memory included")
