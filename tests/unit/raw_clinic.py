"""The small clinic of ``cohort_world`` twice: as the broker's engine has it, and as plain DuckDB reads its files."""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from cohort_world import CATALOGUE, CONDITIONS, DRUGS, Clinic, frames

from twinpane_broker.catalogue.catalogue import Catalogue, Code
from twinpane_broker.check.resolve import check
from twinpane_broker.check.vocabulary import Vocabulary
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import Plan
from twinpane_broker.sql import parse_sql

DIABETES, PRESSURE, OTHER = CONDITIONS
METFORMIN, NAMELESS, GLIPIZIDE = DRUGS
NAMES = {
    DIABETES: "Diabetes", PRESSURE: "Hypertension", OTHER: "Infarction", METFORMIN: "Metformin", GLIPIZIDE: "Glipizide", 99: "Rare",
    1: "Disease", 8507: "MALE", 8532: "FEMALE",
}  # fmt: skip
ANCESTORS = [(1, DIABETES), (1, PRESSURE), *((code, code) for code in (*CONDITIONS, *DRUGS, 1))]


def labelled(catalogue: Catalogue) -> Catalogue:
    """The catalogue with the concepts' names as labels, and a column of conditions that says that some are missing."""
    tables = []
    for table in catalogue.tables:
        columns = []
        for column in table.columns:
            codes = tuple(Code(value=code.value, share=code.share, label=NAMES.get(code.value, "")) for code in column.codes)
            missing = 0.1 if column.name.endswith("concept_id") else 0.0
            columns.append(column.model_copy(update={"codes": codes, "missing": missing}))
        tables.append(table.model_copy(update={"columns": tuple(columns)}))
    return catalogue.model_copy(update={"tables": tuple(tables)})


LABELLED = labelled(CATALOGUE)


class Raw:
    """The same clinic, as the broker's engine has it, and as plain DuckDB reads its files."""

    def __init__(self, folder: Path) -> None:
        tables = frames(300, seed=5)
        file = Clinic(folder, tables).file
        self.engine = DuckEngine(file)
        pairs = pd.DataFrame(ANCESTORS, columns=["ancestor_concept_id", "descendant_concept_id"])
        pairs.to_parquet(folder / "concept_ancestor.parquet")
        self.vocabulary = Vocabulary.load(folder)
        self.plain = duckdb.connect()
        self.plain.execute("CREATE SCHEMA cdm")
        for schema in ("main", "cdm"):
            for table in (*tables, "concept_ancestor"):
                self.plain.execute(f"CREATE VIEW {schema}.{table} AS SELECT * FROM read_parquet('{folder}/{table}.parquet')")
        concepts = pd.DataFrame(list(NAMES.items()), columns=["concept_id", "concept_name"])
        self.plain.register("concepts", concepts)
        self.plain.execute("CREATE TABLE concept AS SELECT * FROM concepts")

    def truth(self, sql: str) -> dict[tuple[Any, ...], tuple[float, ...]]:
        """DuckDB's answer: the numbers by the groups. The groups come first in these queries."""
        rows = self.plain.execute(sql).fetchall()
        groups = len(self.plan(sql).group_by)
        return {tuple(map(str, row[:groups])): tuple(float(value) for value in row[groups:]) for row in rows}

    def plan(self, sql: str) -> Plan:
        return parse_sql(sql, LABELLED)

    def evidence(self, sql: str) -> dict[tuple[Any, ...], tuple[float, ...]]:
        """What the engine measures, cell by cell, that somebody is in."""
        bound = check(self.plan(sql), LABELLED, self.vocabulary)
        found = {}
        measured = self.engine.measure(bound)
        for cell in bound.cells or [()]:
            here = measured.cell(cell)
            if not here.who:
                continue
            key = tuple(str(axis.categories[place].value) for axis, place in zip(bound.axes, cell, strict=True))
            kinds = {axis.categories[place].kind for axis, place in zip(bound.axes, cell, strict=True)}
            if CategoryKind.other in kinds:
                continue
            values = []
            for measure in bound.plan.measures:
                if measure.kind == "mean":
                    spread = here.spreads[bound.value_columns.index(measure.column)]
                    values.append(spread.total / spread.values)
                else:
                    values.append(float(here.rows if measure.kind == "count" else len(here.who)))
            found[key] = tuple(values)
        return found
