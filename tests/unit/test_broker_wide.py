"""Tables of very many columns: stored in bounded memory, right in every column, and what goes wrong is named."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.engine.store import staging
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import EngineError

PERSONS, WIDE = 500, 200


def catalogue(columns: int) -> Catalogue:
    """A table of persons with so many coded columns, of which one in four is a text, and a measure and a date in between."""
    made = [Column(name="person_id", type="integer", role="key")]
    for place in range(columns):
        kind, values = ("varchar", "abcdefg") if place % 4 == 0 else ("integer", range(7))
        made.append(Column(name=f"c{place}", type=kind, role="dimension", codes=tuple(Code(value=value, share=0.1) for value in values)))
    made.insert(9, Column(name="weight", type="double", role="measure", bounds=(0, 100)))
    made.insert(30, Column(name="day", type="date", role="date"))
    table = Table(name="person", person_key="person_id", columns=tuple(made))
    return Catalogue(site="north", snapshot="s", persons=PERSONS, tables=(table,))


def frame(columns: int) -> pd.DataFrame:
    """Values 0 to 7 or a to h, of which the last is not approved; persons in no order, some with several rows."""
    rng = np.random.default_rng(3)
    coded = {f"c{place}": rng.integers(0, 8, 2 * PERSONS) for place in range(columns)}
    texts = {name: np.array(list("abcdefgh"))[values] for name, values in coded.items() if int(name[1:]) % 4 == 0}
    persons = np.concatenate([rng.permutation(PERSONS), rng.integers(0, PERSONS, PERSONS)])
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 2 * PERSONS), unit="D")
    return pd.DataFrame({"person_id": persons, **coded, **texts, "weight": rng.integers(0, 100, 2 * PERSONS) * 1.0, "day": days.date})


def test_hundreds_of_coded_columns_are_stored_row_by_row(tmp_path: Path) -> None:
    """A site with them starts in the memory that a site has, and the values of a row stay together."""
    rows = frame(WIDE)
    rows.to_parquet(tmp_path / "person.parquet")
    file = build_store(tmp_path, catalogue(WIDE), memory="1GB")
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute("select * exclude (twinpane_p, day__month, weight__clipped) from person").fetchdf()
    assert list(found.columns) == [column.name for column in catalogue(WIDE).tables[0].columns if column.name != "person_id"]
    expected = pd.DataFrame({name: rows[name] for name in found.columns})
    for name in expected.columns:
        if name.startswith("c"):
            text = int(name[1:]) % 4 == 0
            expected[name] = (
                rows[name].map({value: i for i, value in enumerate("abcdefg" if text else range(7))}).fillna(-1 if text else -10)
            )
    expected["day"] = pd.to_datetime(expected.day)
    order = [f"c{place}" for place in range(12)]
    found, expected = (each.sort_values(order).reset_index(drop=True) for each in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_table_in_parts_is_the_same_as_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many columns are coded at once."""
    frame(24).to_parquet(tmp_path / "person.parquet")
    stores = []
    for joins in (5, 24):
        monkeypatch.setattr(staging, "JOINS", joins)
        file = build_store(tmp_path, catalogue(24), tmp_path / f"{joins}.duckdb", tmp_path / "register")
        with duckdb.connect(str(file), read_only=True) as connection:
            stores.append(connection.execute("select * from person order by all").fetchdf())
    pd.testing.assert_frame_equal(*stores)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (duckdb.OutOfMemoryException("canary"), "ran out of memory"),
        (duckdb.IOException("canary"), "the disk is full"),
        (duckdb.ConversionException("canary"), "does not have the type"),
        (duckdb.InternalException("canary"), "InternalException"),
    ],
)
def test_the_true_cause_is_named_without_a_value(tmp_path: Path, error: duckdb.Error, said: str) -> None:
    """A steward who is told of a type when memory ran out looks in the wrong place."""

    class Failing:
        def execute(self, _sql: str) -> None:
            raise error

    made = staging.Staging(Failing(), tmp_path, catalogue(1))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=said) as told:
        made._read(catalogue(1).tables[0], "select 1")
    assert "person.parquet" in str(told.value)
    assert "canary" not in str(told.value)
