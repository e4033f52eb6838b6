"""Data as hospitals have it: each row of tests/data_kinds/kinds.toml is made, drafted, frozen and asked."""

import datetime as dt
import gzip
import re
import shutil
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from twinpane_broker import Vocabulary
from twinpane_kernel.twin.site_tables import schema
from twinpane_site.catalogue_toml import dump_catalogue, load_catalogue
from twinpane_site.config import load_site
from twinpane_site.errors import ConfigError
from twinpane_site.freeze import materialise
from twinpane_site.init import NewSite, make_site
from twinpane_site.terminal_query import ask

KINDS = tomllib.loads((Path(__file__).resolve().parents[1] / "data_kinds" / "kinds.toml").read_text())["kind"]
KEYS = {
    "name", "make", "files", "folders", "arrow", "latin", "header", "source", "key", "refused", "columns", "tables", "notes", "rows",
    "inside", "labels", "below", "answers", "type", "stops",
}  # fmt: skip
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def spelled(text: str) -> str:
    """A text with ``{400:…}`` repeated: {i} is the number, {i1} its last digit, {i2} two of them, {m400} the rest by 400."""

    def line(i: int, form: str) -> str:
        numbers = {"i": i, "b": i % 2 + 7, "i1": i % 10, "i2": f"{i % 100:02}", "d1": i % 9 + 1, "m400": i % 400, "fm": "fm"[i % 2]}
        return re.sub(r"\{(\w+)\}", lambda found: str(numbers[found[1]]), form)

    return re.sub(
        r"\{(\d+):((?:[^{}]|\{\w+\})*)\}", lambda found: "".join(line(i, found[2]) for i in range(int(found[1]))), text, flags=re.DOTALL
    )


def write(kind: dict[str, Any], data: Path) -> Path:
    """Make the data of a kind, and return what is given to ``--data``."""
    for name in ("", *kind.get("folders", ())):
        (data / name).mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        for statement in kind.get("make", ()):
            connection.execute(statement.replace("{data}", str(data)))
    for name, text in kind.get("files", {}).items():
        content = spelled(text).encode()
        (data / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    for how, name in kind.get("arrow", {}).items():
        write_arrow(how, data / f"{name}.parquet")
    if "latin" in kind:
        (data / kind["latin"]).write_bytes(f"{kind.get('header', 'person_id,größe')}\n1,Köln\n".encode("latin-1"))
    return data / kind.get("source", "")


def write_arrow(how: str, file: Path) -> None:
    """A table of a kind that DuckDB does not write."""
    days = [dt.datetime(9999, 12, 31), *(dt.datetime(2020, 1, 1) + dt.timedelta(hours=i) for i in range(399))]
    persons, letters = list(range(400)), ["f", "m"] * 200
    if how == "odd":
        long, many = pa.array(letters, pa.large_string()), pa.array(letters).dictionary_encode()
        columns = [pa.array(persons), many, pa.array([0, 1] * 200), long]
        pq.write_table(pa.Table.from_arrays(columns, names=["person_id", "Sex", "sex", "long"]), file)
        return
    table = pa.table({"person_id": persons, "at": pa.array(days, pa.timestamp("us"))})
    form: dict[str, Any] = {"use_deprecated_int96_timestamps": True} if how == "int96" else {"coerce_timestamps": how}
    pq.write_table(table, file, store_schema=False, **form)


def said(column: Any) -> str:
    if column is None:
        return "none"
    return "hidden" if column.role.value == "hidden" else f"{column.type.value} {column.role.value}"


@pytest.mark.parametrize("kind", KINDS, ids=[kind["name"] for kind in KINDS])
def test_each_kind_of_data_does_what_its_row_says(kind: dict[str, Any], tmp_path: Path) -> None:
    """Read with the right types, numbers and notes; or refused by name, with what to do."""
    data, folder = write(kind, tmp_path / "data"), tmp_path / "site"
    new = NewSite("north", data, person_key=kind.get("key", "person_id"))
    if "refused" in kind:
        with pytest.raises(ConfigError, match=re.escape(kind["refused"])) as caught:
            make_site(folder, new, NOW)
        assert str(tmp_path) in str(caught.value)  # the file is named
        assert not folder.exists()
        return
    made = make_site(folder, new, NOW)
    drafted = {f"{table.name}.{column.name}": column for table in made.catalogue.tables for column in table.columns}
    wanted = kind.get("columns", {})
    assert {name: said(drafted.get(name)) for name in wanted} == wanted
    if "tables" in kind:
        assert sorted(table.name for table in made.catalogue.tables) == sorted(kind["tables"])
    for name, labels in kind.get("labels", {}).items():
        assert [code.label for code in drafted[name].codes] == labels
    for note in kind.get("notes", ()):
        assert any(note in each for each in made.notes), made.notes
    if "type" in kind:
        stop(kind, folder)
        return
    frozen(kind, folder)


def stop(kind: dict[str, Any], folder: Path) -> None:
    """A steward changes types, and the site says what is wrong with that."""
    catalogue = load_catalogue(folder / "catalogue.toml")
    for name, type_ in kind["type"].items():
        table = catalogue.known_table(name.split(".")[0])
        columns = [c.model_dump() | {"type": type_} if f"{table.name}.{c.name}" == name else c.model_dump() for c in table.columns]
        changed = table.model_validate(table.model_dump() | {"columns": tuple(columns)})
        tables = tuple(changed if each.name == table.name else each for each in catalogue.tables)
        catalogue = catalogue.model_copy(update={"tables": tables})
    (folder / "catalogue.toml").write_text(dump_catalogue(catalogue))
    site = load_site(folder)
    with pytest.raises(ConfigError, match=re.escape(kind["stops"])):
        materialise(site.config, site.catalogue, folder)


def frozen(kind: dict[str, Any], folder: Path) -> None:
    """The snapshot has the twin's types, the rows and values of its row, and gives its answers."""
    site = load_site(folder)
    snapshot = materialise(site.config, site.catalogue, folder)
    for table in site.catalogue.published.tables:
        assert pq.read_schema(snapshot.tables[table.name]).equals(schema(table), check_metadata=True)
        assert pq.read_table(snapshot.tables[table.name]).column(table.person_key).null_count == 0
    for name, count in kind.get("rows", {}).items():
        assert pq.read_metadata(snapshot.tables[name]).num_rows == count
    for name, ends in kind.get("inside", {}).items():
        table, column = name.split(".")
        values = pq.read_table(snapshot.tables[table]).column(column)
        assert [str(pc.min(values)), str(pc.max(values))] == ends
    for code, below in kind.get("below", {}).items():
        vocabulary = Vocabulary.load(site.vocabulary)
        assert vocabulary is not None
        assert sorted(int(each) for each in vocabulary.under(int(code))) == below
    for place, (sql, count) in enumerate(kind.get("answers", {}).items()):
        # Each by a copy that was asked nothing before: another set's number may stand for one that it equals.
        shutil.copytree(folder, copy := folder.with_name(f"copy-{place}"))
        answer = ask(copy, sql, None, NOW)
        assert answer.release is not None, answer.reason
        value = answer.release.rows[0].values[0]
        # Where everybody has events, numbers of rows are coarse: they say between which numbers the true one lies.
        assert value.value == count or (value.within and value.within[0] <= count <= value.within[1])


def test_a_site_restored_from_a_tar_archive_starts(tmp_path: Path) -> None:
    """Data, snapshot, broker's store and register come out of an archive with other stamps, and the site answers as before."""
    kind = {"make": ["COPY (SELECT i AS person_id, i % 2 AS arm FROM range(400) t(i)) TO '{data}/person.parquet'"]}
    folder, sql = tmp_path / "site", "select arm, count(*) from person group by arm"
    make_site(folder, NewSite("north", write(kind, folder / "data")), NOW)
    before = ask(folder, sql, None, NOW)
    with tarfile.open(tmp_path / "site.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(folder, "site")
    folder.rename(tmp_path / "lost")
    with tarfile.open(tmp_path / "site.tar") as archive:
        archive.extractall(tmp_path, filter="tar")
    after = ask(folder, sql, None, NOW)
    assert before.release is not None
    assert after.release == before.release


def test_rows_of_kinds_have_known_keys_and_say_what_must_happen() -> None:
    for kind in KINDS:
        assert kind.keys() <= KEYS, kind["name"]
        assert kind.keys() & {"refused", "columns", "tables", "notes", "rows", "labels", "stops"}, kind["name"]
