"""The small bounds of the link's package: addresses, frames, good-byes, and a log that strangers cannot fill."""

import logging

import pytest

from twinpane_ground import limits
from twinpane_wire.address import switchboard_url
from twinpane_wire.canonical import DisplayNames, Outputs
from twinpane_wire.codec import WireError, encode
from twinpane_wire.connection_limiter import neighbourhood
from twinpane_wire.inward import Close, ExportItem
from twinpane_wire.log_limiter import KINDS, LogLimiter, limit_log


def test_an_address_that_is_no_hubs_is_refused() -> None:
    for address in ("ftp://hub.example", "hub.example", "https://"):
        with pytest.raises(ValueError, match="https://"):
            switchboard_url(address)
    assert switchboard_url("wss://hub.example/") == "wss://hub.example"


def test_a_message_larger_than_the_link_carries_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FRAME", 10)
    with pytest.raises(WireError, match="limit of 10 bytes"):
        encode(Close(session="a" * 32))


def test_neighbours_of_ipv6_are_one_and_of_ipv4_each_their_own() -> None:
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::2") == "2001:db8::/64"
    assert neighbourhood("192.0.2.1") == neighbourhood("::ffff:192.0.2.1") == "192.0.2.1"
    assert neighbourhood("x" * 100) == "x" * 64


def test_an_item_of_an_export_names_a_cell_or_a_path() -> None:
    for both in ({}, {"cell": 1, "path": "a.txt"}):
        with pytest.raises(ValueError, match="a cell or a path"):
            ExportItem(**both)


def test_an_update_of_an_unshown_display_is_its_own_output() -> None:
    """An update of a display that was not shown is an output of its own. And one of a display that was changes that alone."""
    run = Outputs(DisplayNames())

    def bundle(value: str, name: str) -> dict[str, object]:
        return {"data": {"text/plain": value}, "metadata": {}, "transient": {"display_id": name}}

    run.add("display_data", bundle("a", "first"))
    run.add("update_display_data", bundle("b", "second"))
    assert [item["data"]["text/plain"] for item in run] == ["a", "b"]
    run.add("display_data", bundle("c", "third"))
    run.add("update_display_data", bundle("d", "third"))
    assert [item["data"]["text/plain"] for item in run] == ["a", "b", "d"]


# ---------------------------------------------------------------- a log that strangers cannot fill


def record(text: str, *arguments: object, line: int = 1) -> logging.LogRecord:
    return logging.LogRecord("a", logging.WARNING, "a.py", line, text, arguments, None)


def test_of_one_place_so_many_long_lines_are_written_and_cut() -> None:
    """Where programs put strangers' words into their texts, a kind is a place."""
    now = 0.0
    filters = LogLimiter(each=2, clock=lambda: now, letters=10)
    short, long = record("short"), record("x" * 50)
    assert [filters.filter(short), filters.filter(long), filters.filter(record("other"))] == [True, True, False]
    assert short.getMessage() == "short"
    assert long.getMessage() == "x" * 10 + " … [further lines of this kind are left out for a minute]"
    now = 61.0
    again = record("again")
    assert filters.filter(again)
    assert again.getMessage() == "again [1 more lines were left out before]"


def test_kinds_beyond_a_number_are_counted_together() -> None:
    filters = LogLimiter(each=1, clock=lambda: 0.0)
    assert all(filters.filter(record(f"kind {number}")) for number in range(KINDS))
    assert filters.filter(record("one more"))
    assert not filters.filter(record("and another"))


def test_the_filter_is_put_on_what_stands_in_for_no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.NullHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging, "lastResort", handler)
    limit_log()
    assert [type(each) for each in handler.filters] == [LogLimiter]
    monkeypatch.setattr(logging, "lastResort", None)
    limit_log()
