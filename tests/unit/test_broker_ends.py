"""The smallest and largest values of large cells are asked for only where one value and the sum do not say enough."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from broker_world import CATALOGUE, bound_to, people, snapshot

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.cells.cell_evidence import Spread
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.measure import ends
from twinpane_broker.engine.sql.dialect import Parameter
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.engine.store.local_runner import LocalRunner

QUESTION = "select race, avg(weight) from person group by race"
RACES = "abc"
_PERSON, *_OTHERS = CATALOGUE.tables
_COLUMNS = tuple(c.model_copy(update={"bounds": (-200, 200)}) if c.name == "weight" else c for c in _PERSON.columns)
BELOW_ZERO = CATALOGUE.model_copy(update={"tables": (_PERSON.model_copy(update={"columns": _COLUMNS}), *_OTHERS)})
"""The catalogue, but for weights that may be below zero."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions' statements that look for smallest values; any cell counts as one of many persons."""
    monkeypatch.setattr(ends, "MANY", 1)
    statements: list[str] = []
    rows = LocalRunner.rows

    def noted(runner: LocalRunner, sql: str, parameters: Sequence[Parameter]) -> list[tuple[Any, ...]]:
        if " t0" in sql and "min(" in sql:
            statements.append(sql)
        return rows(runner, sql, parameters)

    monkeypatch.setattr(LocalRunner, "rows", noted)
    return statements


def spreads(folder: Path, weight: Callable[[int], float | None], catalogue: Catalogue = CATALOGUE) -> dict[str, Spread | None]:
    """By race, what an engine finds of the weights of 1,200 persons."""
    made = snapshot(folder, person=people(1200, weight=weight, race=lambda i: RACES[i % 3]))
    engine = DuckEngine(build_store(made, catalogue))
    try:
        evidence = engine.measure(bound_to(QUESTION, catalogue))
    finally:
        engine.close()
    return {RACES[cell[0]]: found.spreads[0] for cell, found in sorted(evidence.cells.items())}


def test_differing_values_need_the_ends_of_the_column_alone(tmp_path: Path, asked: list[str]) -> None:
    """One value and the sum show that they differ, so nothing looks for a cell's own ends."""
    found = spreads(tmp_path, lambda i: 50.0 + i % 90)
    assert {(spread.low, spread.high) for spread in found.values()} == {(50.0, 139.0)}
    assert asked == []


def test_equal_values_of_many_persons_are_known_to_be_equal(tmp_path: Path, asked: list[str]) -> None:
    """Else their mean would tell everybody's value (class disclosure). Tenths do not add up exactly, which must not hide it."""
    found = spreads(tmp_path, lambda i: 36.1 if i % 3 == 0 else 50.0 + i % 90)
    assert (found["a"].low, found["a"].high) == (36.1, 36.1)
    assert found["b"].low < found["b"].high
    assert len(asked) == 1


@pytest.mark.usefixtures("asked")
def test_values_around_their_mean_are_known_to_differ(tmp_path: Path) -> None:
    """The sum is that of equal values, where the one value is the mean itself; then the cell's own ends are looked at."""
    found = spreads(tmp_path, lambda i: 60.0 + (i // 3 % 3) * (i < 1197))
    assert all(spread.low < spread.high for spread in found.values())


@pytest.mark.usefixtures("asked")
def test_zeros_alone_are_equal_and_nothing_is_no_value(tmp_path: Path) -> None:
    """A sum of nothing but zeros says so; persons without a value say nothing."""
    found = spreads(tmp_path, lambda i: (0.0, None, 70.0 + i % 9)[i % 3])
    assert (found["a"].low, found["a"].high) == (0.0, 0.0)
    assert found["b"] is None
    assert found["c"].low < found["c"].high


def test_a_cell_of_few_persons_has_its_own_ends(tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its persons could dominate it, so bounds do not do: then one pass finds all."""
    monkeypatch.setattr(ends, "MANY", 401)
    found = spreads(tmp_path, lambda i: 50.0 + i % 3 * 20 + i % 7)
    assert (found["a"].low, found["a"].high) == (50.0, 56.0)
    assert len(asked) == 1


def test_values_of_both_signs_have_their_own_ends(tmp_path: Path, asked: list[str]) -> None:
    """Whether persons' contributions may cancel out depends on them, also in totals."""
    found = spreads(tmp_path, lambda i: i % 90 - 1.0, catalogue=BELOW_ZERO)
    assert [(spread.low, spread.high) for spread in found.values()] == [(-1.0, 86.0), (0.0, 87.0), (1.0, 88.0)]
    assert len(asked) == 1
