"""Writing the twin as the Parquet files that lie under ``/data`` in the clear kernel."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write(tables: dict[str, pa.Table], folder: Path) -> list[Path]:
    """Write each table to ``folder/<table>.parquet``; a reader never meets half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, table in tables.items():
        part, final = folder / f".{name}.parquet.part", folder / f"{name}.parquet"
        pq.write_table(table, part, compression="zstd")
        part.replace(final)
        files.append(final)
    return files
