"""Locks DuckDB down so that it can only read its own file. Settings are applied in the order that DuckDB demands; otherwise no start."""

import duckdb

from twinpane_broker.errors import EngineError

AT_OPENING = {"allow_unsigned_extensions": "false", "python_enable_replacements": "false", "python_scan_all_frames": "false"}
"""Settings that go with ``connect``: a second opener of the same file would set them back otherwise."""

SETTINGS: tuple[tuple[str, str], ...] = (
    # before external access is cut: the engine refuses a change of it afterwards
    ("temp_directory", "''"),
    ("autoinstall_known_extensions", "false"),
    ("autoload_known_extensions", "false"),
    ("allow_community_extensions", "false"),
    ("allow_extension_repositories", "'forbidden'"),
    ("allow_persistent_secrets", "false"),
    ("max_temp_directory_size", "'0KB'"),
    ("max_expression_depth", "250"),
    ("pivot_limit", "1"),
    # no single row may decide between an answer and an error
    ("error_on_division_by_zero", "false"),
    ("ieee_floating_point_ops", "true"),
    ("enable_progress_bar", "false"),
    ("enable_logging", "false"),
    ("allowed_directories", "[]"),
    ("allowed_paths", "[]"),
    ("allowed_configs", "[]"),
    ("enable_external_access", "false"),
    ("disabled_filesystems", "'LocalFileSystem'"),
    ("lock_configuration", "true"),
)
"""Setting and value, in order; ``lock_configuration`` last."""

CLOSED = {
    "access_mode": "read_only",
    "allow_community_extensions": "false",
    "allow_extension_repositories": "forbidden",
    "allow_persistent_secrets": "false",
    "allow_unsigned_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "lock_configuration": "true",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
    "temp_directory": "",
}
"""What must read so afterwards, whatever the engine said to the changes."""

DOORS = (
    "SELECT count(*) FROM read_csv('/etc/hostname')",
    "SELECT count(*) FROM glob('/*')",
    "COPY (SELECT 1) TO '/dev/null'",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "SET threads = 1",
    "RESET lock_configuration",
    "CREATE TABLE door (i INTEGER)",
)
"""Statements that must fail: tried at every start."""


def lock_down(connection: duckdb.DuckDBPyConnection, *, memory: str, threads: int, seconds: float) -> None:
    """Apply every setting, then prove the doors shut; raises EngineError, naming the setting or the door, for a steward to read."""
    if _value(connection, "lock_configuration") != "true":
        # The process shares one engine per file. A second opener finds it locked, and still proves that below.
        limits = (("memory_limit", f"'{memory}'"), ("threads", str(threads)), ("max_execution_time", str(int(seconds * 1000))))
        for name, value in (*limits, *SETTINGS):
            try:
                connection.execute(f"SET {name} = {value}")
            except duckdb.Error:
                reason = f"DuckDB {duckdb.__version__} refuses the setting {name} = {value}, so the broker does not start"
                raise EngineError(reason) from None
    for name, wanted in CLOSED.items():
        if (found := _value(connection, name)) != wanted:
            raise EngineError(f"DuckDB's setting {name} is {found}, not {wanted or 'empty'}, so the broker does not start")
    for door in DOORS:
        try:
            connection.execute(door)
        except duckdb.Error:
            continue
        raise EngineError(f"DuckDB still does what it must not ({door}), so the broker does not start")


def _value(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM duckdb_settings() WHERE name = $1", [name]).fetchone()
    return None if row is None else str(row[0] if row[0] is not None else "").lower()
