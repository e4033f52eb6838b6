"""The statements that make a store are the same for every engine, and hold nothing of the catalogue but quoted names."""

import pytest
import sqlglot
from sqlglot import exp

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.engine.postgresql.postgresql_store import PostgresTables
from twinpane_broker.engine.spark.spark_store import SparkTables
from twinpane_broker.engine.store.coded_table import NUMBERS, CodedTables

HOSTILE = "x\"`]; DROP TABLE t; --'\\"
"""A name that no catalogue may have: were one to come by, it would stay a name."""


def table(name: str = "t", *columns: Column) -> Table:
    """A table of persons with these columns."""
    return Table(name=name, person_key="pid", columns=(Column(name="pid", type="varchar", role="key"), *columns))


def engines(*tables: Table) -> list[CodedTables]:
    """What every engine makes of a catalogue."""
    catalogue = Catalogue(site="s", snapshot="v", persons=0, tables=tables)
    return [CodedTables(catalogue), PostgresTables(catalogue, "cdm"), SparkTables(catalogue)]


@pytest.mark.parametrize("place", range(3), ids=["duckdb", "postgresql", "spark"])
def test_no_code_stands_in_a_statement(place: int) -> None:
    """Approved codes are rows of a relation that the engine fills by parameters."""
    codes = tuple(Code(value=value, share=0.1) for value in ("canary'", "canary\\", "%s canary"))
    listed = table("t", Column(name="c", type="varchar", role="dimension", codes=codes))
    coded = engines(listed)[place]
    assert [[value for value, _ in codes.rows] for codes in coded.code_lists()] == [["canary'", "canary\\", "%s canary"]]
    for select in (coded.keys(listed), coded.coded(listed)):
        assert "canary" not in select.sql(coded.dialect)


@pytest.mark.parametrize("place", range(3), ids=["duckdb", "postgresql", "spark"])
def test_a_hostile_name_stays_a_name(place: int) -> None:
    """Whatever stands in it, the statement is one SELECT with one column of that name."""
    column = Column.model_construct(**dict(Column(name="c", type="integer", role="key")) | {"name": HOSTILE})
    hostile = Table.model_construct(name=HOSTILE, person_key="pid", columns=(*table().columns, column))
    coded = engines(table())[place]
    (statement,) = sqlglot.parse(coded.coded(hostile).sql(coded.dialect), dialect=coded.dialect)
    assert isinstance(statement, exp.Select)
    assert statement.named_selects == ["twinpane_p", HOSTILE]
    assert {relation.name for relation in statement.find_all(exp.Table)} == {coded.source(hostile).name, NUMBERS}
