"""The draft: scans the source once per table, in bounded memory, and writes down what may be published.

Sources larger than the sample are measured on a sample of persons, all their rows with them. A code that enough sampled
persons hold is held by enough persons.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema; values are bound.

from dataclasses import dataclass
from pathlib import Path

import duckdb

from twinpane_broker import Catalogue, CodeValue, Column, Role, Table

from . import names, rounding
from .columns import Context, DraftRules, date_order, draft_columns, rows_per_person
from .cut_points import with_cut_points
from .evidence import Evidence, sample_rows
from .joins import join_notes
from .partners import concept_labels, pair_columns
from .source import DraftError, Source, SourceTable, open_source, quoted
from .typed import typed, unread_table

SAMPLE = 500_000
"""Persons that the shares and quantiles of a larger source are measured on."""
BASE = 5
"""A catalogue counts no finer than this, even where a site's rules release exact counts: it is published unasked and for good."""


@dataclass(frozen=True)
class Draft:
    """A drafted catalogue, and notes for the steward: what was skipped or hidden, and why. The notes stay inside."""

    catalogue: Catalogue
    notes: tuple[str, ...]


def draft_catalogue(
    source: Path,
    person_key: str,
    site: str,
    title: str,
    rules: DraftRules,
    snapshot: str,
    sample: int = SAMPLE,
) -> Draft:
    """Draft the catalogue of the data at ``source``: a folder of Parquet or CSV files, one per table, or a DuckDB file.

    Names, ``person_key`` too, are drafted in small letters. Tables without the key, and folders and views that cannot be read, are skipped
    with a note. Raises DraftError where the data cannot be read, where the table ``person`` or every table lacks the key, or where there
    are fewer persons than ``rules.threshold``.
    """
    with open_source(source) as opened:
        try:
            return _draft(opened, source, person_key.lower(), site, title, rules, snapshot, sample)
        except duckdb.Error as error:
            said = str(error).splitlines()[0][:200]
            raise DraftError(f"{source}: cannot be read to its end ({said}). Repair the data and try again.") from error


def _draft(
    opened: Source,
    source: Path,
    key: str,
    site: str,
    title: str,
    rules: DraftRules,
    snapshot: str,
    sample: int,
) -> Draft:
    base = max(rules.base, BASE)
    opened, said = typed(opened, key)
    if opened.table("person") is None and (why := opened.why_unread("person")):
        raise DraftError(f"The table person cannot be read: {why}")
    with_key = [t for t in opened.tables if t.columns.get(key) is not None]
    without = [f"{t.name}: skipped, as it has no column {key}" for t in opened.tables if t not in with_key]
    notes = [*(part.why for part in opened.unread), *without, *said]
    _check_key(opened, with_key, source, key)
    population, persons, said = _population(opened.connection, with_key, key)
    notes += said
    if population is None or persons < rules.threshold:
        raise DraftError(
            f"{source}: holds fewer than {rules.threshold} persons, the threshold below which nothing may be published. "
            "Give more data, or data with more persons."
        )
    sampled = _sample_persons(opened.connection, population, key, persons, sample)
    if sampled < persons:
        notes.append(f"shares and quantiles are from a sample of about {rounding.near(sampled, 1000):,} persons")
    keys = {(population.name, key)} | {(t.name, names.own_key(t.name)) for t in with_key if names.own_key(t.name) in t.columns}
    tables = []
    for table in with_key:
        try:
            drafted, said = _draft_table(opened, Context(table, key, population.name, keys, rules.threshold, base, sampled))
        except duckdb.Error as error:
            drafted, said = None, [unread_table(table, error)]
        notes += said
        if drafted is not None:
            tables.append(drafted)
    used = [t for t in with_key if any(t.name == drafted.name for drafted in tables)]
    notes += join_notes(opened.connection, used, key, population.name, keys)
    kept = {(t.name, c.name) for t in tables for c in t.visible}
    catalogue = Catalogue(
        site=site,
        title=title,
        snapshot=snapshot,
        persons=rounding.down(persons, base),
        tables=tuple(_without_lost_references(t, kept) for t in tables),
    )
    return Draft(catalogue, tuple(dict.fromkeys(notes)))


def _check_key(opened: Source, with_key: list[SourceTable], source: Path, key: str) -> None:
    person = next((t for t in opened.tables if t.name == "person"), None)
    if person is not None and person not in with_key:
        lacking, where = person, person.where
    elif not with_key:
        lacking, where = opened.tables[0], opened.tables[0].where if len(opened.tables) == 1 else f"{source}: no table"
    else:
        return
    there = ", ".join(list(lacking.columns)[:12])
    raise DraftError(
        f"{where} has no column {key}, the person key of every row. Name the right column with --person-key; "
        f"the columns of {lacking.name} are {there}."
    )


def _population(connection: duckdb.DuckDBPyConnection, tables: list[SourceTable], key: str) -> tuple[SourceTable | None, int, list[str]]:
    """The table of persons (``person`` where there is one, else the one with most persons), how many, and notes of broken views."""
    found: SourceTable | None = None
    most, notes = 0, []
    for table in [t for t in tables if t.name == "person"] or tables:
        try:
            persons = connection.execute(f"select count(distinct {quoted(key)}) from {table.relation}").fetchall()[0][0]
        except duckdb.Error as error:
            notes.append(unread_table(table, error))
            continue
        if found is None or persons > most:
            found, most = table, persons
    return found, most, notes


def _sample_persons(connection: duckdb.DuckDBPyConnection, population: SourceTable, key: str, persons: int, sample: int) -> int:
    every = max(1, -(-persons // sample))
    connection.execute(
        f"create temp table sampled as select distinct {quoted(key)} as person from {population.relation}"
        f" where {quoted(key)} is not null and hash({quoted(key)}) % {every} = 0"
    )
    sampled: int = connection.execute("select count(*) from sampled").fetchall()[0][0]
    return sampled


def _draft_table(opened: Source, context: Context) -> tuple[Table | None, list[str]]:
    connection, table, threshold = opened.connection, context.table, context.threshold
    sample_rows(connection, table, context.person_key, "rows_of_table")
    try:
        evidence = Evidence(connection, table, context.person_key, threshold, "rows_of_table")
        if evidence.persons() < threshold:
            return None, [f"{table.name}: skipped, as fewer than {threshold} persons have a row"]
        columns, notes = draft_columns(context, evidence)
        columns = pair_columns(table.name, date_order(columns, evidence, threshold), evidence)
        try:
            columns = concept_labels(columns, _vocabulary(opened, columns))
        except duckdb.Error as error:
            notes.append(f"concept: codes are drafted without their names, as it cannot be read ({str(error).splitlines()[0][:200]})")
        columns = with_cut_points(columns)
        shares = rows_per_person(evidence.rows_per_person(), context.persons, threshold, context.base)
        return Table(name=table.name, person_key=context.person_key, columns=tuple(columns), rows_per_person=shares), notes
    finally:
        connection.execute("drop table rows_of_table")


def _vocabulary(opened: Source, columns: list[Column]) -> dict[CodeValue, str]:
    """Names of the listed concepts, where the source brings OMOP's table ``concept``: the vocabulary's words, not the patients'."""
    concept = next((t for t in opened.tables if t.name == "concept" and {"concept_id", "concept_name"} <= t.columns.keys()), None)
    listed = [code.value for c in columns if c.role is Role.dimension and names.concept(c.name) for code in c.codes]
    if concept is None or not listed:
        return {}
    code = "try_cast(concept_id as bigint)"
    found = opened.connection.execute(
        f"select {code} as code, min(concept_name) from {concept.relation} where {code} in (select unnest(?::bigint[])) group by all",
        [[value for value in listed if isinstance(value, int)]],
    )
    return {value: name for value, name in found.fetchall() if name}


def _without_lost_references(table: Table, kept: set[tuple[str, str]]) -> Table:
    def checked(column: Column) -> Column:
        lost = column.references is not None and tuple(column.references.split(".")) not in kept
        return column.model_copy(update={"references": None}) if lost else column

    return table.model_copy(update={"columns": tuple(checked(c) for c in table.columns)})
