"""DuckDB's own parse of a text, as the JSON tree that ``json_serialize_sql`` gives, and the rules for opening its nodes.

The engine that parses holds nothing: a database in memory, no files, no extensions, one thread, settings locked. The text is a
parameter to a function that only parses; it is never run.
"""

import functools
import json
import os
import threading
from typing import Any

import duckdb

Node = dict[str, Any]
AT_OPENING = {
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
    "threads": "1",
}
SETTINGS = (
    # before external access is cut: the engine refuses a change of it afterwards
    ("temp_directory", "''"),
    ("memory_limit", "'512MB'"),
    ("autoinstall_known_extensions", "false"),
    ("autoload_known_extensions", "false"),
    ("allow_community_extensions", "false"),
    ("allow_persistent_secrets", "false"),
    ("enable_progress_bar", "false"),
    ("enable_logging", "false"),
    ("enable_external_access", "false"),
    ("lock_configuration", "true"),
)
PLACES = ("query_location", "query_location_length")
"""Where in the text a node stood; it changes nothing."""


class Unread(Exception):
    """The second reading does not follow the text. People never see this; they see the first reading's message."""


class Grammar:
    """A locked engine that parses, for one process; used by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = duckdb.connect(":memory:", config=dict(AT_OPENING))
        for name, value in SETTINGS:
            self._connection.execute(f"SET {name} = {value}")

    def statement(self, text: str) -> Node:
        """The one SELECT of the text; raises Unread where there is none, or more."""
        try:
            with self._lock:
                row = self._connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchone()
            tree = json.loads(row[0]) if row is not None else {}
        except (duckdb.Error, ValueError, RecursionError):
            raise Unread from None
        statements = tree.get("statements", ())
        if tree.get("error") is not False or len(statements) != 1 or set(statements[0]) != {"node", "named_param_map"}:
            raise Unread
        if statements[0]["named_param_map"]:
            raise Unread
        node: Node = statements[0]["node"]
        return node


def grammar() -> Grammar:
    """This process's grammar. A forked child opens its own, and never closes its parent's: it does not have the parent's threads."""
    return _grammar_of(os.getpid())


@functools.cache
def _grammar_of(_pid: int) -> Grammar:
    return Grammar()


def opened(node: Any, kind: str, *read: str, **fixed: Any) -> Node:
    """The node, if it is of this type and says nothing but what is ``read`` or ``fixed``; raises Unread otherwise.

    A field that is not named here must be empty: a new feature of the engine is not followed either.
    """
    if not isinstance(node, dict) or node.get("type") != kind:
        raise Unread
    for name, value in node.items():
        if name in read or name in ("type", "class") or name in PLACES:
            continue
        if name in fixed:
            if value != fixed[name]:
                raise Unread
        elif value is not None and value is not False and value not in ("", []):
            raise Unread
    return node


def text_of(value: Any) -> str:
    """The value, if it is a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Unread
    return value
