"""Writing a site's generated data: chunk by chunk, in constant memory, the same bytes for the same number, seed and mix."""

from collections.abc import Callable
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
"""Persons drawn at once; part of what makes the bytes, so it is no option."""

_NUMBERED = ("visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "note")


def make_data(folder: Path, persons: int, seed: int, mix: str = "metro", progress: Callable[[int], None] | None = None) -> dict[str, int]:
    """Write the tables of ``persons`` generated patients and the vocabulary's to ``folder`` and say how many rows each table has.

    ``progress`` is told how many persons are done after each chunk. Files that are there already are replaced, each at
    once and only when all are complete. Raises ValueError where ``persons`` is below 1 or the mix is unknown.
    """
    if persons < 1:
        raise ValueError("a data set needs at least one person: give a number above 0")
    if mix not in MIXES:
        raise ValueError(f"there is no mix {mix!r}: choose one of {', '.join(MIXES)}")
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, int] = {}
    unfinished: dict[Path, Path] = {}
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        with ExitStack() as stack:
            for start in range(0, persons, CHUNK):
                count = min(CHUNK, persons - start)
                for name, table in draw_chunk(start, count, seed, MIXES[mix], {n: rows.get(n, 0) + 1 for n in _NUMBERED}).items():
                    if name not in writers:
                        final = folder / f"{name}.parquet"
                        unfinished[final.with_suffix(".parquet.part")] = final
                        writers[name] = stack.enter_context(
                            pq.ParquetWriter(final.with_suffix(".parquet.part"), table.schema, compression="zstd", compression_level=1))
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


def draw_chunk(start: int, count: int, seed: int, mix: Mix, ids: dict[str, int]) -> dict[str, pa.Table]:
    """The tables of persons ``start + 1`` to ``start + count``; ``ids`` are the first identifiers of the numbered tables."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, mix.number, start // CHUNK))))
    people = draw_people(start + 1, count, mix, rng)
    visits = events.draw_visits(people, mix.visits, ids["visit_occurrence"], rng)
    return {
        "person": events.person_table(people),
        "observation_period": events.observation_period_table(people),
        "visit_occurrence": events.visit_table(people, visits),
        "condition_occurrence": events.condition_table(people, visits, ids["condition_occurrence"], rng),
        "drug_exposure": events.drug_table(people, visits, ids["drug_exposure"], rng),
        "measurement": events.measurement_table(people, visits, ids["measurement"], rng),
        "death": events.death_table(people),
        "note": note_table(people, visits, ids["note"], rng),
    }
