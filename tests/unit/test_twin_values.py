"""The twin's values follow the catalogue's recipe, to the type and to the last bit."""

import datetime as dt
import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, ColumnType, Given, Role, Table
from twinpane_broker.rules.policy import Rules
from twinpane_hub.data.make import make_data
from twinpane_kernel.twin import make_twin, twin_digest, write_twin
from twinpane_site.draft import draft_catalogue

KEY = Column(name="person_id", type=ColumnType.integer, role=Role.key)
MONTHS = tuple(dt.date(2015 + i // 2, 1 + 6 * (i % 2), 1) for i in range(19))


def _codes(**shares):
    return tuple(Code(value=value, share=share) for value, share in shares.items())


def _catalogue(*columns, rows=(0.0, 1.0), site="alder", persons=500, more=()):
    table = Table(name="person", person_key="person_id", columns=(KEY, *columns), rows_per_person=rows)
    return Catalogue(site=site, snapshot="s1", persons=persons, tables=(table, *more))


def _visit_tables(missing=0.0):
    visits = Table(
        name="visit_occurrence",
        person_key="person_id",
        rows_per_person=(0.4, 0.3, 0.3),
        columns=(
            KEY.model_copy(update={"references": "person.person_id"}),
            Column(name="visit_occurrence_id", type=ColumnType.integer, role=Role.key),
            Column(name="visit_start_date", type=ColumnType.date, role=Role.date, days=MONTHS),
            Column(name="visit_end_date", type=ColumnType.date, role=Role.date, days=MONTHS, after="visit_start_date"),
        ),
    )
    events = Table(
        name="condition_occurrence",
        person_key="person_id",
        rows_per_person=(0.2, 0.3, 0.2, 0.3),
        columns=(
            KEY.model_copy(update={"references": "person.person_id"}),
            Column(
                name="visit_occurrence_id",
                type=ColumnType.integer,
                role=Role.key,
                missing=missing,
                references="visit_occurrence.visit_occurrence_id",
            ),
        ),
    )
    return events, visits


@pytest.fixture(scope="module")
def rich():
    """A catalogue with every kind of column."""
    return _catalogue(
        Column(name="sex", type=ColumnType.varchar, role=Role.dimension, codes=_codes(f=0.6, m=0.395)),
        Column(
            name="smoker",
            type=ColumnType.boolean,
            role=Role.dimension,
            missing=0.2,
            codes=(Code(value=True, share=0.3), Code(value=False, share=0.7)),
        ),
        Column(
            name="grade",
            type=ColumnType.integer,
            role=Role.dimension,
            missing=0.05,
            codes=tuple(Code(value=i, share=0.25) for i in range(4)),
        ),
        Column(
            name="weight",
            type=ColumnType.double,
            role=Role.measure,
            bounds=(40, 120),
            precision=0.1,
            knots=tuple(50.0 + 2.5 * i for i in range(19)),
        ),
        Column(name="born", type=ColumnType.timestamp, role=Role.date, days=MONTHS, missing=0.01),
        Column(name="note", type=ColumnType.varchar, role=Role.text),
        Column(name="secret", type=ColumnType.varchar, role=Role.hidden),
        more=_visit_tables(),
    )


def test_the_pinned_digest_holds_on_every_machine(rich):
    """The pinned digest says that values are the same on every machine."""
    tables = {name: table.to_pydict() for name, table in make_twin([rich], persons=50, seed=7).items()}
    said = hashlib.sha256(json.dumps(tables, sort_keys=True, default=str).encode()).hexdigest()
    assert said == "47ded6797cd20a63533d77e748769958f4285c0f05e78b1d5bebcdcd2251225b"


def test_the_same_seed_gives_the_same_twin_and_another_another(rich):
    assert make_twin([rich], seed=1) == make_twin([rich], seed=1)
    assert make_twin([rich], seed=1)["person"] != make_twin([rich], seed=2)["person"]


def test_files_are_the_same_bytes_again(rich, tmp_path):
    first, second = write_twin([rich], tmp_path / "a"), write_twin([rich], tmp_path / "b")
    assert [f.name for f in first] == ["person.parquet", "condition_occurrence.parquet", "visit_occurrence.parquet"]
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]
    assert not [f for f in (tmp_path / "a").iterdir() if f.suffix != ".parquet"]


def test_a_new_column_does_not_move_the_values_of_the_others(rich):
    added = Column(name="extra", type=ColumnType.integer, role=Role.measure, bounds=(0, 9))
    table = rich.tables[0]
    other = rich.model_copy(update={"tables": (table.model_copy(update={"columns": (added, *table.columns)}), *rich.tables[1:])})
    assert make_twin([other])["person"].drop_columns(["extra"]) == make_twin([rich])["person"]


def test_columns_stand_in_the_catalogues_order(rich):
    """Columns stand in the catalogue's order, and hidden ones do not exist."""
    assert make_twin([rich])["person"].column_names == ["person_id", "sex", "smoker", "grade", "weight", "born", "note"]


def test_types_are_the_catalogues(rich):
    types = {f.name: str(f.type) for f in make_twin([rich])["person"].schema}
    assert types == {
        "person_id": "int64",
        "sex": "string",
        "smoker": "bool",
        "grade": "int64",
        "weight": "double",
        "born": "timestamp[us]",
        "note": "string",
    }


def test_codes_come_with_their_shares_and_nothing_else_comes(rich):
    sex = make_twin([rich], persons=20_000)["person"]["sex"].to_pandas()
    shares = sex.value_counts(normalize=True)
    assert set(shares.index) == {"f", "m"}
    assert shares["f"] == pytest.approx(0.6 / 0.995, abs=0.01)


def test_numbers_follow_the_knots_within_bounds_and_precision(rich):
    """Numbers follow the knots, within bounds and on the precision's grid."""
    weight = make_twin([rich], persons=20_000)["person"]["weight"].to_numpy()
    assert np.quantile(weight, 0.05) == pytest.approx(50, abs=0.5)
    assert np.quantile(weight, 0.5) == pytest.approx(72.5, abs=0.5)
    assert np.quantile(weight, 0.95) == pytest.approx(95, abs=0.5)
    assert weight.min() >= 40
    assert weight.max() <= 120
    assert (weight == np.round(weight, 1)).all()


@pytest.mark.parametrize("persons", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_missing_share_gives_a_missing_value_and_a_filled_one(persons, share):
    column = Column(name="x", type=ColumnType.integer, role=Role.measure, bounds=(0, 9), missing=share)
    values = make_twin([_catalogue(column)], persons=persons)["person"]["x"]
    assert values.null_count >= 1
    assert values.null_count < persons or persons == 1


def test_integers_stay_integers_where_none_is_missing():
    """Without a missing share no value is missing, so integers stay integers."""
    column = Column(name="x", type=ColumnType.integer, role=Role.measure, bounds=(0, 9))
    frame = make_twin([_catalogue(column)])["person"].to_pandas()
    assert str(frame["x"].dtype) == "int64"
    assert str(make_twin([_catalogue(column.model_copy(update={"missing": 0.01}))])["person"].to_pandas()["x"].dtype) == "float64"


def test_dates_lie_within_quantiles_and_ends_after_starts(rich):
    """Dates lie within their quantiles, and ends are never before starts."""
    visits = make_twin([rich], persons=3000)["visit_occurrence"].to_pandas()
    assert (visits["visit_end_date"] >= visits["visit_start_date"]).all()
    assert visits["visit_start_date"].min() >= MONTHS[0]
    assert visits["visit_end_date"].max() <= MONTHS[-1]


def test_a_person_has_rows_as_often_as_the_catalogue_says(rich):
    visits = make_twin([rich], persons=5000)["visit_occurrence"].to_pandas()
    many = visits["person_id"].value_counts().reindex(range(1, 5001), fill_value=0)
    assert [round((many == n).mean(), 1) for n in range(3)] == [0.4, 0.3, 0.3]


def test_keys_join_and_an_events_visit_is_of_the_same_person(rich):
    """Keys join, and an event belongs to a visit of the same person."""
    twin = {name: table.to_pandas() for name, table in make_twin([rich]).items()}
    owner = twin["visit_occurrence"].set_index("visit_occurrence_id")["person_id"]
    assert owner.index.is_unique
    events = twin["condition_occurrence"]
    assert events["visit_occurrence_id"].notna().all()
    assert len(events) > 100
    assert (owner.loc[events["visit_occurrence_id"]].to_numpy() == events["person_id"].to_numpy()).all()
    assert set(events["person_id"]) <= set(twin["person"]["person_id"])


def test_a_key_is_missing_where_the_person_has_no_visit():
    """A key that may be missing is missing if the person has no visit."""
    catalogue = _catalogue(more=_visit_tables(missing=0.1))
    twin = {name: table.to_pandas() for name, table in make_twin([catalogue]).items()}
    events = twin["condition_occurrence"]
    joined = events.dropna().merge(twin["visit_occurrence"], on="visit_occurrence_id")
    assert (joined["person_id_x"] == joined["person_id_y"]).all()
    assert events["visit_occurrence_id"].isna().any()


def test_a_name_follows_its_code_and_a_value_its_code():
    code = Column(
        name="lab_id",
        type=ColumnType.integer,
        role=Role.dimension,
        codes=(Code(value=1, share=0.5), Code(value=2, share=0.3), Code(value=3, share=0.2)),
    )
    name = Column(
        name="lab",
        type=ColumnType.varchar,
        role=Role.dimension,
        codes=_codes(hba1c=0.5, sbp=0.5),
        follows="lab_id",
        given=(Given(code=1, value="hba1c"), Given(code=2, value="sbp")),
        missing=0.2,
    )
    value = Column(
        name="value",
        type=ColumnType.double,
        role=Role.measure,
        bounds=(0, 200),
        precision=0.1,
        knots=(0, 200),
        follows="lab_id",
        given=(Given(code=1, knots=(5.0, 6.0)), Given(code=2, knots=(120.0, 140.0), precision=1.0)),
    )
    frame = make_twin([_catalogue(value, name, code)])["person"].to_pandas()
    names = frame.groupby("lab_id")["lab"].agg(lambda s: s.fillna("none").unique().tolist()).to_dict()
    assert names == {1: ["hba1c"], 2: ["sbp"], 3: ["none"]}
    assert frame.loc[frame["lab_id"] == 1, "value"].between(4.9, 6.1).all()
    assert frame.loc[frame["lab_id"] == 2, "value"].between(118, 142).all()
    assert (frame.loc[frame["lab_id"] == 2, "value"] % 1 == 0).all()


def test_columns_that_follow_each_other_in_a_circle_are_drawn():
    """Columns that follow each other in a circle are drawn all the same."""
    one = Column(
        name="a", type=ColumnType.varchar, role=Role.dimension, codes=_codes(x=1.0), follows="b", given=(Given(code="y", value="x"),)
    )
    two = Column(
        name="b", type=ColumnType.varchar, role=Role.dimension, codes=_codes(y=1.0), follows="a", given=(Given(code="x", value="y"),)
    )
    start = Column(name="s", type=ColumnType.date, role=Role.date, days=MONTHS, after="e")
    end = Column(name="e", type=ColumnType.date, role=Role.date, days=MONTHS, after="s")
    assert len(make_twin([_catalogue(one, two, start, end)])["person"]) == 1000


def test_what_the_steward_left_out_of_a_recipe_is_still_drawn():
    columns = (
        Column(name="d", type=ColumnType.varchar, role=Role.dimension),
        Column(name="m", type=ColumnType.double, role=Role.measure, bounds=(-1, 1)),
        Column(name="t", type=ColumnType.date, role=Role.date),
        Column(name="k", type=ColumnType.varchar, role=Role.key),
        Column(name="i", type=ColumnType.varchar, role=Role.image),
    )
    table = make_twin([_catalogue(*columns)])["person"]
    assert table["d"].null_count == 1000
    assert all(table[name].null_count == 0 for name in "mtki")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metro")
    make_data(folder, 4000, seed=1)
    return folder, draft_catalogue(folder, "person_id", "metro", "", Rules(threshold=10), "s1").catalogue


@pytest.mark.slow
def test_pandas_reads_the_same_types_inside_and_outside(demo, tmp_path):
    folder, catalogue = demo
    for file in write_twin([catalogue.published], tmp_path):
        outside = pd.read_parquet(file)
        inside = pd.read_parquet(folder / file.name)[list(outside.columns)]
        assert inside.dtypes.equals(outside.dtypes), file.name
        assert list(outside.columns) == [c.name for c in catalogue.table(file.stem).visible]


def test_the_twin_holds_no_real_text_or_number_of_a_person(demo):
    folder, catalogue = demo
    twin = make_twin([catalogue.published])
    assert "note_text" not in twin["note"].column_names
    assert "MRN-" not in json.dumps({n: t.to_pydict() for n, t in twin.items()}, default=str)
    assert pq.read_table(folder / "person.parquet")["person_source_value"][0].as_py().startswith("MRN-")


def test_importing_the_twin_loads_neither_numpy_nor_pyarrow():
    code = "import sys, twinpane_kernel.twin; print(sorted({'numpy', 'pyarrow', 'pandas', 'duckdb'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_digest_names_everything_the_values_depend_on(rich):
    other = _catalogue(site="birch")
    names = {twin_digest([rich]), twin_digest([rich], seed=1), twin_digest([rich], persons=999), twin_digest([rich, other])}
    assert len(names) == 4
    assert twin_digest([rich, other]) == twin_digest([other, rich])
    assert twin_digest([rich]) == twin_digest([rich.published])
