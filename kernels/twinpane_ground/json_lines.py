"""Write a log as JSON lines: one object a line, by fields that a collector can read.

An object has no content: of an error it says the kind and the places in the source, not the error's own text. That text may hold what
somebody typed, or a value of the data.
"""

import json
import logging
import os
import traceback
from datetime import UTC, datetime
from types import TracebackType

ENVIRONMENT = "TWINPANE_LOG"
"""The environment variable that tells a process how its parent's log is written: ``json``, or nothing."""
LETTERS = 2000
"""Of a message, at most."""
PLACES = 20
"""Of an error, at most: the innermost."""


class JsonLines(logging.Formatter):
    """A formatter for any handler. Whatever a configuration hands it (format, style) is left unread: the fields are always these."""

    def __init__(self, *_: object, part: str = "", **__: object) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line: ASCII, so that no message can begin a line of its own."""
        said = record.getMessage()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": self._part or record.name,
            "source": f"{record.module}:{record.lineno}",
            "pid": record.process,
            "message": said if len(said) <= LETTERS else f"{said[:LETTERS]} …",
        }
        if record.exc_info and record.exc_info[0] is not None:
            line |= {"error": record.exc_info[0].__name__, "places": _places(record.exc_info[2])}
        return json.dumps(line)


def _places(found: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(found)[-PLACES:]
    return [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]


def log_as_json(level: int = logging.WARNING) -> None:
    """Have this process, and the parts of ours that it starts from now on, write their logs as JSON lines to standard error."""
    os.environ[ENVIRONMENT] = "json"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def as_told() -> bool:
    """Write this process's log as its parent does; whether that is as JSON lines."""
    told = os.environ.get(ENVIRONMENT) == "json"
    if told:
        log_as_json()
    return told
