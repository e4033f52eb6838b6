"""Lines of the ledger as files: JSON Lines, each with all that its hash covers, and CSV for a spreadsheet that must not run any of it."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from twinpane_broker import canonical_json
from twinpane_wire.items import visible

from .ledger import Entry, who

COLUMNS = ("seq", "time", "kind", "person", "project", "body", "hash")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes a cell for a formula by."""


class Format(StrEnum):
    """What a file is."""

    csv = "csv"
    jsonl = "jsonl"


def details(entry: Entry) -> str:
    """The body as canonical JSON."""
    return canonical_json(dict(entry.body)).decode()


def in_words(entry: Entry) -> str:
    """The body for a reader: ``purpose: figure 2; cells: 7, 8``, without the person and the project, which have columns of their own."""
    beside = {"project", "user" if entry.body.get("user") else "by"}
    return "; ".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in entry.body.items() if name not in beside)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({'; '.join(f'{name}: {_value(each)}' for name, each in value.items())})" if value else "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return str(value)


def safe(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, with invisible characters written out."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) or text.startswith(FORMULA) else shown


def exported(entries: Iterable[Entry], form: Format) -> Iterator[str]:
    """The file, line by line."""
    if form is Format.jsonl:
        for entry in entries:
            line = {"seq": entry.seq, "prev": entry.prev, "time": entry.time, "kind": entry.kind.value, "body": dict(entry.body)}
            yield canonical_json(line | {"hash": entry.hash}).decode() + "\n"
        return
    yield _row(COLUMNS)
    for entry in entries:
        project = str(entry.body.get("project", ""))
        yield _row((str(entry.seq), entry.time, entry.kind.value, *map(safe, (who(entry.body), project, details(entry))), entry.hash))


def _row(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(list(cells))
    return out.getvalue()
