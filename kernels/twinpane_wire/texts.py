"""Texts and tables in their canonical forms. Time and memory are linear in the input, and the output is bounded by what people can read."""

import csv
import io
import re

from .forms import RAW_TEXT, TEXT_BYTES, Allowance, NotAForm
from .visible import visible

CSV_ROWS = 5_000
CSV_COLUMNS = 200

_ANSI = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]")


def canonical_text(text: str, allowance: Allowance | None = None) -> bytes:
    """Text as a terminal would show it last: no colours, progress bars in their final state, no blanks at line ends, all visible.

    Raises NotAForm when it is empty or longer than ``TEXT_BYTES``.
    """
    _pay(text, "text", allowance)
    lines, size = [], 0
    for raw in _ANSI.sub("", text).replace("\r\n", "\n").split("\n"):
        line = _line(raw)
        size += len(line.encode())
        if size > TEXT_BYTES:
            raise _too_long("text")
        lines.append(line)
    content = ("\n".join(lines).strip("\n") + "\n").encode()
    if content == b"\n":
        raise NotAForm("empty")
    if len(content) > TEXT_BYTES:
        raise _too_long("text")
    return content


def _line(raw: str) -> str:
    if not raw:
        return ""
    parts = [part for part in raw.split("\r") if part]
    return visible(_spread(parts[-1] if parts else "", "text")).rstrip(" ")


def read_table(text: str, delimiter: str = ",") -> list[list[str]]:
    """Rows of a table with as many fields in each row as in the first; raises NotAForm on anything else."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if not row:
                continue
            rows.append(row)
            if len(rows) > CSV_ROWS + 1 or len(row) > CSV_COLUMNS:
                raise NotAForm(f"larger than the {CSV_ROWS} rows and {CSV_COLUMNS} columns that can be reviewed")
            if len(row) != len(rows[0]):
                raise NotAForm("not a table: its rows differ in length")
    except csv.Error:
        raise NotAForm("not a well-formed CSV table") from None
    if not rows:
        raise NotAForm("not a table: it has no rows")
    return rows


def canonical_csv(text: str, delimiter: str = ",", allowance: Allowance | None = None) -> bytes:
    """The table written again: commas, ``\\n``, quotes only where needed, visible fields without line breaks or outer blanks."""
    _pay(text, "table", allowance)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for row in read_table(text, delimiter):
        writer.writerow([_field(field) for field in row])
        if out.tell() > TEXT_BYTES:
            raise _too_long("table")
    content = out.getvalue().encode()
    if len(content) > TEXT_BYTES:
        raise _too_long("table")
    return content


def _field(raw: str) -> str:
    return " ".join(visible(_spread(raw.replace("\r\n", "\n"), "table")).split("\n")).strip(" ")


def delimiter_of(text: str) -> str:
    """The delimiter that is most frequent in a table's first line; the comma where there is none."""
    head = text.split("\n", 1)[0]
    return max(",\t;", key=lambda mark: (head.count(mark), mark == ","))


def _pay(text: str, what: str, allowance: Allowance | None) -> None:
    if len(text) > RAW_TEXT:
        raise _too_long(what)
    if allowance is not None:
        allowance.spend(characters=len(text))


def _spread(line: str, what: str) -> str:
    """The line with its tabs expanded. Raises NotAForm if it would be too long even at half its length: NFC joins letters and marks."""
    bare = line.rstrip(" \t")
    if len(bare) > 2 * TEXT_BYTES or len(spread := bare.expandtabs(8)) > 2 * TEXT_BYTES:
        raise _too_long(what)
    return spread


def _too_long(what: str) -> NotAForm:
    return NotAForm(f"longer than the {TEXT_BYTES // 1024} KiB of {what} that can be reviewed")
