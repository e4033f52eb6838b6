"""A log as JSON lines: fields that a collector reads, one object a line whatever is said, and no text of an error."""

import json
import logging
import sys

from twinpane_ground.json_lines import LETTERS, JsonLines
from twinpane_hub.app import TwinpaneHub
from twinpane_hub.request_limits import LOGGERS


def line(message: str, *arguments: object, error: bool = False) -> str:
    record = logging.LogRecord("twinpane_site.link", logging.WARNING, "link.py", 7, message, arguments, sys.exc_info() if error else None)
    return JsonLines("%(message)s", None, "%").format(record)


def test_a_line_is_one_object_with_named_fields() -> None:
    found = json.loads(line("the hub at %s", "h"))
    assert found.items() >= {
        "level": "warning", "part": "twinpane_site.link", "source": "link:7", "message": "the hub at h",
    }.items()  # fmt: skip
    assert found["time"].endswith("+00:00")


def test_no_message_begins_a_line_of_its_own() -> None:
    """Names that strangers send hold ends of lines, also those of Unicode. In JSON each stays in its field."""
    said = line("who: %s", 'x\n{"level": "critical"}\u2028y\x1b[31m')
    assert said.isascii()
    assert len(said.splitlines()) == 1
    assert "\x1b" not in said


def test_an_error_is_its_kind_and_places_without_its_text() -> None:
    """What an error says may hold a value of the data, as `could not convert string to float: '…'` does."""
    try:
        float("of a patient")
    except ValueError:
        found = line("it failed", error=True)
    assert "of a patient" not in found
    assert json.loads(found)["error"] == "ValueError"
    assert json.loads(found)["places"][0].startswith("test_ground_json_lines.py:")


def test_a_long_message_is_cut() -> None:
    assert len(json.loads(line("x" * 10**6))["message"]) < LETTERS + 10


def test_the_hubs_own_logger_is_bounded_too() -> None:
    """JupyterHub's logger has the name of our class. Only JupyterHub's own name had a bound before, which nothing logs to."""
    assert TwinpaneHub.__name__ in LOGGERS
