"""Write a site's generated data chunk by chunk, in constant memory. The same number, seed and mix give the same bytes."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import events
from .concepts import vocabulary_tables
from .mixes import MIXES, Mix
from .notes import note_table
from .people import draw_people

CHUNK = 100_000
"""Persons drawn at once. It is not an option, because the bytes depend on it."""

TABLES = (
    "person", "observation_period", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "death", "note",
)  # fmt: skip
"""The tables about persons, in the order in which they are drawn."""
_NUMBERED = ("visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "note")


def make_data(
    folder: Path,
    persons: int,
    seed: int,
    mix: str = "metro",
    progress: Callable[[int], None] | None = None,
    tables: Collection[str] = TABLES,
) -> dict[str, int]:
    """Write the tables of ``persons`` generated patients and of the vocabulary to ``folder``; return how many rows each table has.

    After each chunk ``progress`` is called with the number of persons done. ``tables`` limits what is written; a table has the same bytes
    as in a full set. Existing files are each replaced atomically, once all new ones are complete. Raises ValueError where ``persons``
    is below 1, or where the mix or a table is unknown.
    """
    if persons < 1:
        raise ValueError("a data set needs at least one person: give a number above 0")
    if mix not in MIXES:
        raise ValueError(f"there is no mix {mix!r}: choose one of {', '.join(MIXES)}")
    if unknown := set(tables) - set(TABLES):
        raise ValueError(f"there is no table {sorted(unknown)[0]}: choose of {', '.join(TABLES)}")
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, int] = {}
    first: dict[str, int] = {}
    unfinished: dict[Path, Path] = {}
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        with ExitStack() as stack:
            for start in range(0, persons, CHUNK):
                count = min(CHUNK, persons - start)
                for name, table in draw_chunk(start, count, seed, MIXES[mix], {n: first.get(n, 1) for n in _NUMBERED}, tables):
                    first[name] = first.get(name, 1) + len(table)
                    if name not in tables:
                        continue
                    if name not in writers:
                        final = folder / f"{name}.parquet"
                        unfinished[final.with_suffix(".parquet.part")] = final
                        writers[name] = stack.enter_context(
                            pq.ParquetWriter(final.with_suffix(".parquet.part"), table.schema, compression="zstd", compression_level=1)
                        )
                    writers[name].write_table(table, row_group_size=1 << 20)
                    rows[name] = rows.get(name, 0) + len(table)
                if progress is not None:
                    progress(start + count)
        for name, table in vocabulary_tables().items():
            unfinished[folder / f"{name}.parquet.part"] = folder / f"{name}.parquet"
            pq.write_table(table, folder / f"{name}.parquet.part")
            rows[name] = len(table)
        for part, final in unfinished.items():
            part.replace(final)
    finally:
        for part in unfinished:
            part.unlink(missing_ok=True)
    return rows


def draw_chunk(
    start: int, count: int, seed: int, mix: Mix, ids: dict[str, int], tables: Collection[str] = TABLES
) -> Iterator[tuple[str, pa.Table]]:
    """Draw the tables of persons ``start + 1`` to ``start + count``, up to the last of ``tables``.

    ``ids``: the first id of each numbered table.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, mix.number, start // CHUNK))))
    people = draw_people(start + 1, count, mix, rng)
    visits = events.draw_visits(people, mix.visits, ids["visit_occurrence"], rng)
    # One random generator, in this order: a table's bytes depend on all tables drawn before it.
    draws: dict[str, Callable[[], pa.Table]] = {
        "person": lambda: events.person_table(people),
        "observation_period": lambda: events.observation_period_table(people),
        "visit_occurrence": lambda: events.visit_table(people, visits),
        "condition_occurrence": lambda: events.condition_table(people, visits, ids["condition_occurrence"], rng),
        "drug_exposure": lambda: events.drug_table(people, visits, ids["drug_exposure"], rng),
        "measurement": lambda: events.measurement_table(people, visits, ids["measurement"], rng),
        "death": lambda: events.death_table(people),
        "note": lambda: note_table(people, visits, ids["note"], rng),
    }
    last = max(TABLES.index(name) for name in tables)
    for name in TABLES[: last + 1]:
        yield name, draws[name]()
