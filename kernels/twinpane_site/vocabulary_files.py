"""Brings OMOP's vocabulary into the files that the broker reads, where a site has it in CSV, in parts, in capitals or in a DuckDB file.

Done once for a snapshot: descendants of a concept stay what they were, like the rows.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema.

import secrets
import shutil
from pathlib import Path

import duckdb

from .config import SiteConfig, vocabulary_folder, vocabulary_given
from .draft.column_types import in_type, type_of
from .draft.source import Source, SourceTable, open_source, quoted
from .errors import ConfigError

TABLES = ("concept_ancestor", "concept")


def read_vocabulary(folder: Path, config: SiteConfig, snapshot: str) -> None:
    """Make the vocabulary's files of a snapshot; nothing where they lie ready, were made, or there is no vocabulary.

    ``folder`` is the site's. Raises ConfigError for a vocabulary that cannot be read, OSError where the disk is full.
    """
    given, made = vocabulary_given(folder, config), vocabulary_folder(folder, config, snapshot)
    if (given / f"{TABLES[0]}.parquet").is_file() or made.is_dir() or not given.exists():
        return
    with open_source(given) as source:
        tables = [table for name in TABLES if (table := source.table(name)) is not None]
        if any(table.name == TABLES[0] for table in tables):
            _write(source, tables, made)


def _write(source: Source, tables: list[SourceTable], made: Path) -> None:
    temporary = made.with_name(f".{made.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(mode=0o700, parents=True)
        for table in tables:
            target = str(temporary / f"{table.name}.parquet").replace("'", "''")
            source.connection.execute(f"COPY (SELECT {_columns(table)} FROM {table.relation}) TO '{target}' (FORMAT parquet)")
        temporary.rename(made)
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from None
    except duckdb.Error as error:
        said = str(error).splitlines()[0][:200]
        names = " and ".join(table.where for table in tables)
        raise ConfigError(f"{names}: cannot be read as OMOP's vocabulary ({said}). Repair them, or move them out of the way.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _columns(table: SourceTable) -> str:
    """The columns by their names in small letters, ids of concepts as whole numbers."""
    chosen = []
    for name, raw in table.raw.items():
        kind = type_of("BIGINT" if name.endswith("concept_id") else raw)
        chosen.append(f"{in_type(quoted(name), raw, kind) if kind is not None else quoted(name)} AS {quoted(name)}")
    return ", ".join(chosen)
