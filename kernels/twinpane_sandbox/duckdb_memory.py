"""Tell DuckDB how much memory there is. A sandbox hides the machine's memory from it: its own limit came out as 1.6 million gigabytes."""

import functools
from typing import Any

SHARE = 0.8
"""Share of the session's memory that DuckDB may use. By default it takes the same share of a machine's memory."""


def tell(duckdb: Any, memory: int) -> None:
    """Give every connection a memory limit, in bytes, unless the call names another."""
    limit = f"{int(memory * SHARE) // 2**20}MiB"
    connect = duckdb.connect

    @functools.wraps(connect)
    def with_limit(database: Any = ":memory:", read_only: bool = False, config: Any = None) -> Any:
        given = dict(config or {})
        if str(database) != ":default:":
            given.setdefault("memory_limit", limit)
        return connect(database, read_only, given)

    duckdb.connect = with_limit
    duckdb.default_connection().execute(f"SET memory_limit = '{limit}'")
