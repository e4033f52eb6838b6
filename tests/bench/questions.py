"""``tp.sql`` of three sites against plain DuckDB on the same files, and a broker alone against DuckDB alone."""

import atexit
import gc
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import duckdb
from pydantic import Field, TypeAdapter

from twinpane_broker.broker import Broker
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.pooling import pool
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.sql import parse_sql
from twinpane_hub.data.vocabulary import CONDITIONS, DRUGS, LABS
from twinpane_site import keys
from twinpane_site.answering.broker_client import ONE_THREAD
from twinpane_site.brokers import open_broker
from twinpane_site.config import KEYS, load_site
from twinpane_site.freeze import materialise
from twinpane_site.signing import noise_secret, signed

from .cells import turns
from .figures import Goal, Line, Spread, paired
from .kernels import BenchError, Kernel


def in_a_cell(plain: Kernel, ours: Kernel, data: list[Path], count: int, pause: Callable[[], None]) -> Line:
    """A cell that asks all sites and shows their tables, against a cell that asks DuckDB for the same of the same files, all in one."""
    files = [str(folder / "person.parquet") for folder in data]
    plain.run("import duckdb")
    plain.run(f'duckdb.sql("select count(*) n from read_parquet({files!r})").fetchall()')
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


def each_second(kernels: list[Kernel], count: int, pause: Callable[[], None]) -> Line:
    """Small questions over all sites that several notebooks ask at the same time, none asked before, each answered by every site."""
    for kernel in kernels:
        kernel.run("import twinpane as tp")
    asked = ordinary()
    # Prints one letter for each answer, which the client counts.
    cell = "for q in {batch!r}:\n    try:\n        tp.sql(q)\n        print('x', end='')\n    except tp.Refused:\n        pass"
    rates = []
    for _ in range(3):
        pause()
        batches = [list(islice(asked, count)) for _ in kernels]
        began = time.perf_counter()
        with ThreadPoolExecutor(len(kernels)) as pool:
            done = [pool.submit(kernel.run, cell.format(batch=batch)) for kernel, batch in zip(kernels, batches, strict=True)]
            answered = sum(each.result().printed for each in done)
        rates.append(answered / (time.perf_counter() - began))
    note = f"{len(kernels)} notebooks ask at once; every question is new; three agents and nine inside kernels on this machine"
    return Line("  asked by notebooks through three agents", "1/s", Spread.of(rates), note=note)


def federated(folders: dict[str, Path], count: int) -> Line:
    """The same questions put to the brokers of all sites side by side, each in a process of its own as at a site, their releases pooled."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, ONE_THREAD))
        brokers = {}
        for name, folder in folders.items():
            # The sites have answered these questions to notebooks: copies of them have not.
            copied = shutil.copytree(folder, folder.with_name(f"{folder.name}-again"), ignore=shutil.ignore_patterns("memory.db*"))
            process = ProcessPoolExecutor(1, get_context("spawn"), _open, (copied,))
            brokers[name] = stack.enter_context(process)
        asked = ordinary()
        catalogue = load_site(next(iter(folders.values()))).catalogue.published
        askers = stack.enter_context(ThreadPoolExecutor(ASKERS))
        rates = []

        def ask(plan: Plan) -> bool:
            body = plan.model_dump_json()
            waiting = {name: process.submit(_answer, body) for name, process in brokers.items()}
            return pool({name: RESULT.validate_json(answer.result()) for name, answer in waiting.items()}) is not None

        list(askers.map(ask, [parse_sql(sql, catalogue) for sql in islice(asked, ASKERS)]))  # starts the processes
        for _ in range(3):
            plans = [parse_sql(sql, catalogue) for sql in islice(asked, count)]
            began = time.perf_counter()
            answered = sum(askers.map(ask, plans))
            rates.append(answered / (time.perf_counter() - began))
    note = "plan to pooled release over three brokers' processes on this machine, four ask at once, every question new; durable memories"
    return Line("federated aggregates in a second", "1/s", Spread.of(rates), goal=Goal(150, "at least"), note=note)


ASKERS = 4
"""Questions under way at the same time."""
RESULT: TypeAdapter[Release | Refusal] = TypeAdapter(Annotated[Release | Refusal, Field(discriminator="status")])
_here: list[Broker] = []
"""The broker of this process, where it is a broker's."""


def _open(folder: Path) -> None:
    _here.append(_broker(folder))
    # As a site's broker's process does.
    gc.freeze()
    atexit.register(os._exit, 0)


def _answer(plan: str) -> bytes:
    return _here[0].run(Plan.model_validate_json(plan)).canonical()


def ordinary() -> Iterator[str]:
    """Questions of clinicians, no two alike: who has a disease, takes a drug, and what a lab shows, by sex, race and age."""
    kinds = {"condition": [c.name for c in CONDITIONS], "drug": [d.name for d in DRUGS], "measurement": [lab.name for lab in LABS]}
    tables = {"condition": "condition_occurrence", "drug": "drug_exposure", "measurement": "measurement"}
    counts = ("count(distinct person.person_id) n", "count(*) n", "count(*) n, count(distinct person.person_id) p")
    measures = {"condition": counts, "drug": counts, "measurement": (*counts, "avg(measurement.value_as_number) m")}
    for split in ("sex", "age_group", "race", "ethnicity"):
        for kind, names in kinds.items():
            table = tables[kind]
            for name in names:
                for measure in measures[kind]:
                    yield (
                        f"select person.{split}, {measure} from {table} join person on {table}.person_id = person.person_id "
                        f"where {table}.{kind}_name = '{name}' group by person.{split}"
                    )


def different(codes: list[str], count: int) -> list[str]:
    """Questions that no memory of a broker knows: the same table of another set of codes each."""
    chosen = [[code for bit, code in enumerate(codes) if number >> bit & 1] for number in range(3, 3 + count)]
    listed = [", ".join(f"'{code}'" for code in each) for each in chosen]
    table = "from condition_occurrence where condition_name in ({}) group by condition_name"
    return [f"select condition_name, count(*) n {table.format(each)}" for each in listed]


def at_the_broker(folder: Path, count: int) -> Line:
    """A question as the broker answers it, rules and memory included, against the same GROUP BY of plain DuckDB on the same rows."""
    broker, snapshot = _broker(folder), folder / "snapshots" / load_site(folder).catalogue.snapshot
    catalogue = broker.catalogue
    connection = duckdb.connect()
    connection.execute(f"create table condition_occurrence as from '{snapshot / 'condition_occurrence.parquet'}'")
    names = next(column for table in catalogue.tables for column in table.columns if column.name == "condition_name")
    sqls = different([str(code.value) for code in names.codes][:12], 4 * count)
    plans = iter([parse_sql(sql, catalogue) for sql in sqls])
    texts = iter(sqls)

    def ours() -> float:
        plan = next(plans, None)
        if plan is None:
            raise BenchError("the broker withheld most of what the bench asks")
        began = time.perf_counter()
        result = broker.run(plan)
        took = (time.perf_counter() - began) * 1000
        # What is withheld is no answer to time: the next one is.
        return took if isinstance(result, Release) else ours()

    def duck() -> float:
        sql = next(texts)
        began = time.perf_counter()
        connection.execute(sql).fetchall()
        return (time.perf_counter() - began) * 1000

    ours(), duck()
    return paired("broker: a new question", "ms", turns(count, duck, ours), None, "from plan to signed release, rules and memory included")


def _broker(folder: Path) -> Broker:
    """The broker of a site's folder, for its whole catalogue."""
    site = load_site(folder)
    key = keys.load(folder / KEYS)
    snapshot = materialise(site.config, site.catalogue, folder)
    return open_broker(site, site.catalogue.published, snapshot, noise_secret(key), signer=lambda release: signed(release, key))
