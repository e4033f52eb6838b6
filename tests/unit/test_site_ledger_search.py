"""Looking for lines of the ledger: an older ledger is found in as a new one is, and no search reads the whole of it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from agent_desk import KEY

from twinpane_site import ledger as ledger_module
from twinpane_site import ledger_verification
from twinpane_site.db import Database
from twinpane_site.ledger import Entry, Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_export import in_words
from twinpane_site.ledger_search import Wanted, counts, newest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRANT = {"user": "ana", "project": "heart", "bits": 1.0, "by": "root"}


def test_lines_from_before_there_were_names_are_found(tmp_path, monkeypatch):
    """A ledger of an earlier version gets its names when it is opened; its lines stay as they were, and hold."""
    db = Database.open(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(ledger_module, "MIGRATIONS", ledger_module.MIGRATIONS[:1])
        book = Ledger(db, KEY)
        earlier.setattr(ledger_module, "who", lambda body: "")
        for kind, body in ((LedgerEvent.grant, GRANT | {"project": ""}), (LedgerEvent.closed, {"session": "s"})):
            book.append(kind, body, NOON)
    assert db.row("SELECT count(*) n FROM sqlite_schema WHERE name = 'ledger_names'")["n"] == 0
    book = Ledger(db, KEY)
    book.append(LedgerEvent.grant, GRANT, NOON)
    book.append(LedgerEvent.frozen, {"by": "ada"}, NOON)
    book.append(LedgerEvent.unfrozen, {"by": ["ada", "bo"], "freeze": 4}, NOON)
    found = {who: [entry.seq for entry in newest(db, Wanted(person=who), 10)] for who in ("ana", "ada", "root", "ada, bo")}
    assert found == {"ana": [3, 1], "ada": [4], "root": [], "ada, bo": [5]}
    assert ledger_verification.verify(tmp_path, KEY.public_hex).entries == 5
    db.close()


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(person="ana"), Wanted(project="heart"), Wanted(person="ana", project="heart"), Wanted(LedgerEvent.grant),
        Wanted(LedgerEvent.grant, person="ana"), Wanted(since=date(2026, 3, 1), until=date(2026, 3, 1)),
    ],
    ids=str,
)  # fmt: skip
def test_a_search_goes_by_an_index(tmp_path, wanted):
    """At a million lines a page takes a moment, as no search reads them all."""
    db = Database.open(tmp_path)
    Ledger(db, KEY).append(LedgerEvent.grant, GRANT, NOON)
    asked = []
    rows = db.rows
    db.rows = lambda sql, arguments=(): asked.append((sql, arguments)) or rows(sql, arguments)
    assert len(newest(db, wanted, 10)) == 1
    [(sql, arguments)] = asked
    plan = [row["detail"] for row in rows(f"EXPLAIN QUERY PLAN {sql}", arguments)]
    assert not [step for step in plan if step.startswith("SCAN")], plan
    db.close()


def test_a_day_begins_at_midnight_in_utc(tmp_path):
    db = Database.open(tmp_path)
    book = Ledger(db, KEY)
    for time in (NOON.replace(day=1, hour=0), NOON, NOON.replace(month=2, day=28, hour=23, minute=59)):
        book.append(LedgerEvent.grant, GRANT, time)
    [count] = counts(db, [LedgerEvent.grant], NOON)
    assert (count.today, count.ever) == (2, 3)
    db.close()


def test_a_line_is_shown_in_words():
    """The page showed raw JSON; who and which project have columns of their own."""
    body = {"user": "rosa", "by": "sten", "project": "heart", "bits_left": 12, "cells": [7, 8], "hub": {"first": True, "names": []}}
    entry = Entry(1, "", "2026-11-28T10:00:00", LedgerEvent.release, body, "")
    assert in_words(entry) == "by: sten; bits left: 12; cells: 7, 8; hub: (first: yes; names: none)"
    assert in_words(replace(entry, body={"by": "sten", "reason": "a doubt"})) == "reason: a doubt"
