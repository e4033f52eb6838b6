"""The snapshot: approved columns only, typed as the catalogue says, frozen, and whole or not there."""

import os
import shutil
import subprocess

import duckdb
import pyarrow.parquet as pq
import pytest

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role, Table
from twinpane_site import freeze, snapshot
from twinpane_site.config import Project, SiteConfig
from twinpane_site.errors import ConfigError, StoreError


def column(name, type_=ColumnType.integer, role=Role.key, **more):
    return Column(name=name, type=type_, role=role, **more)


PERSON = Table(
    name="person",
    person_key="person_id",
    columns=(
        column("person_id"),
        column("sex", ColumnType.varchar, Role.dimension),
        column("born", ColumnType.date, Role.date),
        column("name", ColumnType.varchar, Role.hidden),
    ),
)
LAB = Table(
    name="lab", person_key="person_id",
    columns=(
        column("person_id"),
        column("value", ColumnType.double, Role.measure, bounds=(0, 10)),
        column("at", ColumnType.timestamp, Role.date),
    ),
)  # fmt: skip


def catalogue(*tables, name="2026-03-01"):
    return Catalogue(site="north", snapshot=name, persons=10, tables=tables or (PERSON, LAB))


def make_data(target):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE person AS SELECT i::INTEGER person_id, CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END sex,"
                       " DATE '1950-01-01' + i::INTEGER born, 'Name ' || i AS \"name\" FROM range(100) t(i)")  # fmt: skip
    connection.execute("CREATE TABLE lab AS SELECT i::BIGINT person_id, i / 10.0 AS value,"
                       " TIMESTAMP '2020-01-01' + INTERVAL (i) HOUR AS at FROM range(100) t(i)")  # fmt: skip
    if target.suffix == ".duckdb":
        connection.execute(f"ATTACH '{target}' AS d")
        for name in ("person", "lab"):
            connection.execute(f"CREATE TABLE d.{name} AS FROM {name}")
    else:
        target.mkdir()
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")  # else columns are marked as filled, unlike the twin's
        for name in ("person", "lab"):
            connection.execute(f"COPY {name} TO '{target / name}.parquet' (FORMAT parquet)")
    connection.close()


@pytest.fixture(params=["parquet", "duckdb"])
def config(request, tmp_path):
    data = tmp_path / ("data" if request.param == "parquet" else "data.duckdb")
    make_data(data)
    return SiteConfig(id="north", source=str(data))


@pytest.fixture
def parquet(tmp_path):
    make_data(tmp_path / "data")
    return SiteConfig(id="north", source="data")


def schema(path):
    return [(field.name, str(field.type)) for field in pq.read_schema(path)]


def test_a_snapshot_has_approved_columns_in_the_catalogues_types(config, tmp_path):
    """A snapshot has the approved columns in the catalogue's types, and nothing hidden."""
    made = freeze.materialise(config, catalogue(), tmp_path)
    assert made.folder == tmp_path / "snapshots" / "2026-03-01"
    assert sorted(path.name for path in made.folder.iterdir()) == ["lab.parquet", "person.parquet"]
    assert schema(made.tables["person"]) == [("person_id", "int64"), ("sex", "string"), ("born", "date32[day]")]
    assert schema(made.tables["lab"]) == [("person_id", "int64"), ("value", "double"), ("at", "timestamp[us]")]
    assert b"Name 1" not in made.tables["person"].read_bytes()
    assert pq.read_table(made.tables["person"]).num_rows == 100


def test_a_table_that_the_catalogue_does_not_list_is_not_there(config, tmp_path):
    made = freeze.materialise(config, catalogue(PERSON), tmp_path)
    assert [path.name for path in made.folder.iterdir()] == ["person.parquet"]


def test_a_snapshot_stays_when_the_source_changes_or_goes(parquet, tmp_path):
    """A snapshot stays as it is when the source changes or goes."""
    made = freeze.materialise(parquet, catalogue(PERSON), tmp_path)
    before = made.tables["person"].read_bytes()
    shutil.rmtree(tmp_path / "data")
    again = freeze.materialise(parquet, catalogue(PERSON), tmp_path)
    assert again == made
    assert again.tables["person"].read_bytes() == before


def test_a_new_name_freezes_the_data_of_now_and_keeps_the_old(parquet, tmp_path):
    """A new name freezes the data as it is now and keeps the old."""
    old = freeze.materialise(parquet, catalogue(), tmp_path)
    new = freeze.materialise(parquet, catalogue(name="2026-04-01"), tmp_path)
    assert new.folder != old.folder
    assert old.tables["person"].exists()


def test_other_columns_of_unchanged_data_keep_the_same_name(parquet, tmp_path):
    """Other columns of unchanged data are made anew under the same name."""
    freeze.materialise(parquet, catalogue(), tmp_path)
    narrower = PERSON.model_copy(update={"columns": PERSON.columns[:2]})
    made = freeze.materialise(parquet, catalogue(narrower), tmp_path)
    assert schema(made.tables["person"]) == [("person_id", "int64"), ("sex", "string")]
    assert [path.name for path in made.folder.iterdir()] == ["person.parquet"]


def test_other_columns_of_changed_data_need_another_name(parquet, tmp_path):
    """Else answers from different data would bear the same snapshot's name, and two of them could be subtracted."""
    freeze.materialise(parquet, catalogue(PERSON), tmp_path)
    rows = "SELECT 1 person_id, 'F' sex, DATE '1950-01-01' born, 'x' \"name\""
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path}/data/person.parquet' (FORMAT parquet)")
    with pytest.raises(ConfigError, match="new name"):
        freeze.materialise(parquet, catalogue(), tmp_path)


def test_a_file_that_fits_as_it_is_is_linked_not_copied(parquet, tmp_path):
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    assert made.tables["lab"].samefile(tmp_path / "data" / "lab.parquet")
    assert not made.tables["person"].samefile(tmp_path / "data" / "person.parquet")


def test_a_linked_file_that_is_written_to_in_place_is_noticed(parquet, tmp_path):
    freeze.materialise(parquet, catalogue(), tmp_path)
    with (tmp_path / "data" / "lab.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ConfigError, match="is not what it was when it was frozen"):
        freeze.materialise(parquet, catalogue(), tmp_path)


def test_a_restored_archive_is_the_snapshot_it_was(parquet, tmp_path):
    """An archive keeps whole seconds of a file's time: contents are compared where stamps differ, and links need not be links again."""
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    for file in made.folder.iterdir():
        copy = file.with_name("copy")
        shutil.copy(file, copy)
        copy.replace(file)
        os.utime(file, ns=(0, int(file.stat().st_mtime) * 10**9))
    assert freeze.materialise(parquet, catalogue(), tmp_path) == made
    noted = (tmp_path / "snapshots" / "2026-03-01.json").read_bytes()
    freeze.materialise(parquet, catalogue(), tmp_path)
    assert (tmp_path / "snapshots" / "2026-03-01.json").read_bytes() == noted  # read once, then known by their stamps


def test_a_restored_file_with_other_contents_is_noticed(parquet, tmp_path):
    """The same length and another byte is another file."""
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    person = made.tables["person"]
    person.chmod(0o600)
    content = bytearray(person.read_bytes())
    content[len(content) // 2] ^= 1
    person.write_bytes(bytes(content))
    with pytest.raises(ConfigError, match="is not what it was when it was frozen"):
        freeze.materialise(parquet, catalogue(), tmp_path)


def test_a_note_without_digests_is_completed(parquet, tmp_path):
    """A snapshot of an older version, whose note has stamps alone, can be archived after one more start."""
    import json

    made = freeze.materialise(parquet, catalogue(), tmp_path)
    note = tmp_path / "snapshots" / "2026-03-01.json"
    noted = json.loads(note.read_text())
    note.write_text(json.dumps({**noted, "files": [file[:3] for file in noted["files"]]}))
    assert freeze.materialise(parquet, catalogue(), tmp_path) == made
    assert json.loads(note.read_text()) == noted


def test_names_are_found_in_any_case(tmp_path):
    """A catalogue of small letters reads a source in capitals, and the files inside have the catalogue's names."""
    (tmp_path / "data").mkdir()
    rows = "SELECT i AS PERSON_ID, 'F' AS SEX, DATE '1950-01-01' AS BORN FROM range(9) t(i)"
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path}/data/PERSON.parquet' (FORMAT parquet)")
    made = freeze.materialise(SiteConfig(id="north", source="data"), catalogue(PERSON), tmp_path)
    assert schema(made.tables["person"]) == [("person_id", "int64"), ("sex", "string"), ("born", "date32[day]")]


def test_a_file_added_to_a_snapshot_is_noticed(parquet, tmp_path):
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    (made.folder / "extra.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match="added"):
        freeze.materialise(parquet, catalogue(), tmp_path)


def test_a_file_with_a_writer_s_own_words_is_copied_without_them(parquet, tmp_path):
    import pandas as pd

    frame = pd.read_parquet(tmp_path / "data" / "lab.parquet")
    frame.to_parquet(tmp_path / "data" / "lab.parquet")
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    assert b"pandas" not in made.tables["lab"].read_bytes()


def test_a_file_without_the_person_key_is_refused_by_name(tmp_path):
    """A file without the person key is refused, naming file and column."""
    (tmp_path / "data").mkdir()
    duckdb.execute(f"COPY (SELECT 1 patient, 'F' sex, DATE '1950-01-01' born) TO '{tmp_path}/data/person.parquet' (FORMAT parquet)")
    with pytest.raises(ConfigError, match=r"person\.parquet has no column person_id, the person key of table person"):
        freeze.materialise(SiteConfig(id="north", source="data"), catalogue(PERSON), tmp_path)
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_a_person_key_that_is_hidden_is_refused(parquet, tmp_path):
    hidden = PERSON.model_copy(update={"columns": (column("person_id", role=Role.hidden), *PERSON.columns[1:])})
    with pytest.raises(ConfigError, match="role key"):
        freeze.materialise(parquet, catalogue(hidden), tmp_path)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (Table(name="visit", person_key="person_id", columns=(column("person_id"),)), "no table visit"),
        (PERSON.model_copy(update={"columns": (*PERSON.columns, column("weight", ColumnType.double, Role.text))}), "no column weight"),
        (PERSON.model_copy(update={"columns": (PERSON.columns[0], column("sex", ColumnType.integer, Role.dimension))}), "column sex holds"),
    ],
)
def test_what_the_source_does_not_have_is_named(config, tmp_path, table, said):
    with pytest.raises(ConfigError, match=said):
        freeze.materialise(config, catalogue(table), tmp_path)
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == []


def test_a_value_of_the_wrong_type_is_not_quoted(config, tmp_path):
    wrong = PERSON.model_copy(update={"columns": (PERSON.columns[0], column("name", ColumnType.integer, Role.dimension))})
    with pytest.raises(ConfigError) as caught:
        freeze.materialise(config, catalogue(wrong), tmp_path)
    assert "Name 0" not in str(caught.value)


@pytest.mark.parametrize("name", [".", "..", ".hidden"])
def test_a_snapshot_s_name_does_not_lead_elsewhere(parquet, tmp_path, name):
    with pytest.raises(ConfigError, match="dot"):
        freeze.materialise(parquet, catalogue(name=name), tmp_path)


def test_a_swap_that_was_cut_short_is_made_again(parquet, tmp_path):
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    (tmp_path / "snapshots" / "2026-03-01.json").unlink()
    made.tables["lab"].unlink()
    assert freeze.materialise(parquet, catalogue(), tmp_path).tables["lab"].exists()


def test_a_full_disk_leaves_nothing_half_made_and_says_so(tmp_path):
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs root: it mounts a tiny file system")
    try:
        (tmp_path / "data").mkdir()
        duckdb.execute(f"COPY (SELECT i person_id, md5(i::VARCHAR) sex, DATE '1950-01-01' born, 1 extra FROM range(200000) t(i))"
                       f" TO '{tmp_path}/data/person.parquet' (FORMAT parquet)")  # fmt: skip
        with pytest.raises(StoreError, match="cannot be written"):
            freeze.materialise(SiteConfig(id="north", source=str(tmp_path / "data")), catalogue(PERSON), place)
        assert os.listdir(place / "snapshots") == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_project_sees_its_tables_alone(parquet, tmp_path):
    made = freeze.materialise(parquet, catalogue(), tmp_path)
    some = Project(id="heart", members=(), tables=("lab",))
    shown = snapshot.project_folder(made, some)
    assert os.listdir(shown) == ["lab.parquet"]
    assert (shown / "lab.parquet").samefile(made.tables["lab"])
    assert snapshot.project_folder(made, some) == shown
    assert snapshot.project_folder(made, Project(id="all", members=())) == made.folder
    more = snapshot.project_folder(made, Project(id="heart", members=(), tables=("lab", "person")))
    assert sorted(os.listdir(more)) == ["lab.parquet", "person.parquet"]
    assert sorted(os.listdir(made.folder)) == ["lab.parquet", "person.parquet"]
