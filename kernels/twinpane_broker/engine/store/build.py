"""Makes the broker's own store of a snapshot: a DuckDB file of coded, clipped and numbered tables, with its facts and index beside it.

Persons are numbered by the site's register, and rows lie in the order of the numbers.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.sql import layout
from twinpane_broker.errors import EngineError
from twinpane_broker.model import canonical_json
from twinpane_ground import atomic

from .facts import Facts, read_facts
from .local_runner import LocalRunner
from .register import Register
from .survey import survey

FILE_NAME = "broker.duckdb"
REGISTER = "register"


def build_store(
    snapshot: Path,
    catalogue: Catalogue,
    target: Path | None = None,
    register: Path | None = None,
    *,
    memory: str = "1GB",
    threads: int | None = None,
) -> Path:
    """Read ``snapshot/<table>.parquet`` into a store (``snapshot/broker.duckdb`` by default) and return its path.

    Its facts (``facts_file``) and its index (``index_file``) lie beside it. ``register`` is the folder of the site's register of
    persons, which all stores of a site share; by default it is ``register`` beside the store. Does nothing if store, facts and index
    exist, are whole, and were made of these files and this catalogue. DuckDB gets ``memory`` and all processors (or ``threads``); it
    spills to disk beside the store. Raises EngineError, for a steward to read, for a missing file, table or column, a column of another
    type, or a damaged register. Its text holds no value of a row.
    """
    target = target or snapshot / FILE_NAME
    layout.check_names(catalogue)
    with _alone(target):
        persons = Register(register or target.parent / REGISTER)
        made_of = _fingerprint(snapshot, catalogue, persons)
        if not _is_made(target, made_of, persons):
            _make(snapshot, catalogue, target, persons, made_of, memory, threads or os.cpu_count() or 1)
    return target


def facts_file(store: Path) -> Path:
    """The file with the facts of a store."""
    return store.with_suffix(".facts.json")


def index_file(store: Path) -> Path:
    """The file with the index of a store."""
    return store.with_suffix(".index")


def beside(store: Path, connection: duckdb.DuckDBPyConnection) -> tuple[Facts, Index]:
    """The facts and the open index of a store that is open on ``connection``. Raises EngineError unless all three were made together."""
    facts = read_facts(facts_file(store))
    index = Index(index_file(store))
    try:
        row = connection.execute(f"SELECT made_of FROM {layout.STAMP}").fetchone()  # noqa: S608
    except duckdb.Error:
        row = None
    if row is None or not row[0] == facts.made_of == index.made_of:
        index.close()
        raise EngineError(f"{store} and the files beside it were not made together: make them again with build_store()")
    return facts, index


def _make(snapshot: Path, catalogue: Catalogue, target: Path, register: Register, made_of: str, memory: str, threads: int) -> None:
    from .staging import Staging  # it imports sqlglot, which a process that finds its store made does not need

    finals = (target, facts_file(target), index_file(target))
    fresh = tuple(final.with_name(f"{final.name}.{os.getpid()}.new") for final in finals)
    scratch = target.with_name(f"{target.name}.{os.getpid()}.scratch")
    _sweep(finals)
    try:
        scratch.mkdir(mode=0o700)
        with contextlib.closing(duckdb.connect()) as connection:
            _set_up(connection, scratch, memory, threads)
            connection.execute(f"ATTACH '{_escaped(fresh[0])}' AS made")
            staging = Staging(connection, snapshot, catalogue)
            staging.check()
            staging.enrol(register)
            staging.write(register, "made.main")
            staging.clear()
            connection.execute(f"CREATE TABLE made.main.{layout.STAMP} AS SELECT CAST(? AS VARCHAR) AS made_of", [made_of])
            connection.execute("USE made.main")
            facts = survey(LocalRunner(connection), catalogue, made_of, fresh[2], in_order=True)
            fresh[1].write_bytes(facts.canonical() + b"\n")
            connection.execute("USE memory.main")
            connection.execute("DETACH made")
        _mark(target).unlink(missing_ok=True)
        for file, final in zip(fresh, finals, strict=True):
            atomic.replace(file, final)
        _write_mark(target, made_of, register)
    finally:
        _sweep(finals)


def _sweep(finals: tuple[Path, ...]) -> None:
    """Remove half-made files of this build, or of one that was killed. Nobody else is building: see ``_alone``."""
    for final in finals:
        for kind in ("new", "new.wal"):
            for left in final.parent.glob(f"{glob.escape(final.name)}.*.{kind}"):
                left.unlink(missing_ok=True)
        for left in final.parent.glob(f"{glob.escape(final.name)}.*.scratch"):
            shutil.rmtree(left, ignore_errors=True)
    atomic.sweep(finals[0].parent)


def _set_up(connection: duckdb.DuckDBPyConnection, scratch: Path, memory: str, threads: int) -> None:
    settings = (
        ("temp_directory", f"'{_escaped(scratch)}'"),
        ("memory_limit", f"'{memory}'"),
        ("threads", str(threads)),
        ("preserve_insertion_order", "true"),
        ("autoinstall_known_extensions", "false"),
        ("autoload_known_extensions", "false"),
        ("enable_progress_bar", "false"),
        ("TimeZone", "'UTC'"),
    )
    for name, value in settings:
        with contextlib.suppress(duckdb.CatalogException):  # time zones are an extension, which not every build of DuckDB has
            connection.execute(f"SET {name} = {value}")


def _is_made(target: Path, made_of: str, register: Register) -> bool:
    """Whether store, facts and index exist, are whole, were made of this, and use the register's numbers."""
    try:
        mark = json.loads(_mark(target).read_bytes())
        head = tuple(mark["register"])
        if mark["made_of"] != made_of or register.head[: len(head)] != head or mark["crc32"] != _crc32(target):
            return False
        if read_facts(facts_file(target)).made_of != made_of:
            return False
        with contextlib.closing(Index(index_file(target))) as index:
            index.verify()
            return index.made_of == made_of
    except (OSError, ValueError, KeyError, TypeError, EngineError):
        return False


def _mark(target: Path) -> Path:
    return target.with_suffix(".made-of")


def _write_mark(target: Path, made_of: str, register: Register) -> None:
    atomic.write(_mark(target), canonical_json({"made_of": made_of, "crc32": _crc32(target), "register": register.head}))


def _fingerprint(snapshot: Path, catalogue: Catalogue, register: Register) -> str:
    files = []
    for table in catalogue.tables:
        file = snapshot / f"{table.name}.parquet"
        stat = file.stat() if file.is_file() else None
        files.append([table.name, stat.st_size if stat else None, stat.st_mtime_ns if stat else None])
    parts = [duckdb.__version__, catalogue.snapshot, layout.store_shape(catalogue), files, register.identity]
    return hashlib.sha256(canonical_json(parts)).hexdigest()


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Allow one build of a store at a time; the second process finds it made."""
    with target.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _crc32(file: Path) -> int:
    found = 0
    with file.open("rb") as opened:
        while block := opened.read(1 << 22):
            found = zlib.crc32(block, found)
    return found


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
