"""The forms in which an output may be reviewed and let out: UTF-8 text, a CSV table, a picture as PNG. What is seen is what leaves.

Each form can be seen whole. Every character of a text is visible: control characters, bidirectional marks and other invisible ones are
written out, as in ``⟨U+202E⟩``. A table is parsed and written again by our own writer. A picture is decoded, and only its pixels, on
white, are written again: no metadata, no transparency to hide under, no further frames. HTML, SVG, scripts, widgets, PDF, pickles and
everything unknown have no such form and are left out, with the reason.

Both ends use this module: the pane for the twin's items, the review for the real ones. It never raises on what a hostile kernel says;
it leaves it out. Its cost is bounded: each text and picture by its own limits, all of a request by an ``Allowance``.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twinpane_ground import limits

from .forms import PNG_BYTES, RAW_TEXT, TEXT_BYTES, Allowance, Canonical, Item, LeftOut, NotAForm
from .pictures import PIXELS, SCANS, SIDE, canonical_png, kind_of
from .texts import CSV_COLUMNS, CSV_ROWS, canonical_csv, canonical_text, delimiter_of
from .types import Form
from .visible import visible

__all__ = [
    "CSV_COLUMNS",
    "CSV_ROWS",
    "LOOKED_AT",
    "NOTES",
    "PIXELS",
    "PNG_BYTES",
    "SCANS",
    "SIDE",
    "TEXT_BYTES",
    "Allowance",
    "Canonical",
    "Form",
    "Item",
    "LeftOut",
    "NotAForm",
    "again",
    "canonical_csv",
    "canonical_file",
    "canonical_items",
    "canonical_png",
    "canonical_text",
    "visible",
]

LOOKED_AT = 4 * limits.ITEMS
"""Outputs of a cell that are tried, at most, whether or not they have a form."""
NOTES = 64
"""Notes on what was left out of a cell, at most; the rest is counted."""
_KINDS_NAMED = 8
_TEXT_KINDS = ("text/plain", "text/markdown", "text/latex", "application/json")
_NOT_A_FORM = "not a form that can be seen whole; only text, CSV and PNG can leave"
_MORE = f"more than {limits.ITEMS} outputs in one cell"


def canonical_items(outputs: Sequence[Any], label: str = "output", allowance: Allowance | None = None) -> Canonical:
    """The outputs of a cell (nbformat's dicts: stream, display_data, execute_result, error) in the forms that can leave.

    Of each display one representation is taken: its picture, else its CSV, else its text. ``label`` names the cell.
    """
    allowance = allowance or Allowance()
    items: list[Item] = []
    left: list[LeftOut] = []
    for number, output in enumerate(outputs[:LOOKED_AT], 1):
        name = f"{label}, output {number}"
        if len(items) >= limits.ITEMS:
            left.append(LeftOut(name, _MORE))
            continue
        try:
            items.extend(_of_output(output, name, left, allowance))
        except NotAForm as why:
            left.append(LeftOut(name, str(why)))
        except (TypeError, ValueError, RecursionError, AttributeError):
            left.append(LeftOut(name, "malformed"))
    return Canonical(tuple(items), noted(left, label, more=len(outputs[LOOKED_AT:])))


def canonical_file(path: str, data: bytes, allowance: Allowance | None = None) -> Canonical:
    """A file in a form that can leave. Both its extension and its content must be of that form."""
    name, shown = path.rsplit("/", 1)[-1], visible(path)
    ending = name.rsplit(".", 1)[-1].lower() if "." in name else ""
    try:
        return Canonical((_of_file(ending, shown, data, allowance or Allowance()),))
    except NotAForm as why:
        return Canonical((), (LeftOut(shown, str(why)),))


def again(form: Form, content: bytes, allowance: Allowance | None = None) -> bytes:
    """Make bytes canonical that claim to be so: what comes from outside is never shown as it came. Raises NotAForm."""
    if form is Form.png:
        return canonical_png(content, allowance)
    make = canonical_text if form is Form.text else canonical_csv
    return make(_decoded(content), allowance=allowance)


def noted(left: Sequence[LeftOut], label: str, more: int = 0) -> tuple[LeftOut, ...]:
    """The notes on a cell, ``NOTES`` at most; ``more`` further things were left out."""
    more += len(left[NOTES:])
    return (*left[:NOTES], *([LeftOut(f"{label}, {more} more", _MORE)] if more else []))


def _of_output(output: Mapping[str, Any], name: str, left: list[LeftOut], allowance: Allowance) -> Iterator[Item]:
    match output.get("output_type"):
        case "stream":
            kind = "stderr" if output.get("name") == "stderr" else "stdout"
            yield Item(Form.text, f"{name} ({kind})", canonical_text(_joined(output.get("text", "")), allowance))
        case "error":
            traceback = output.get("traceback")
            lines = [line for line in traceback if isinstance(line, str)] if isinstance(traceback, list) else []
            text = "\n".join(lines) or f"{_word(output.get('ename'))}: {_word(output.get('evalue'))}"
            yield Item(Form.text, f"{name} (error)", canonical_text(text, allowance))
        case "display_data" | "execute_result" | "update_display_data":
            data = output.get("data")
            if not isinstance(data, Mapping) or not data:
                raise NotAForm("malformed")
            yield from _of_bundle(data, name, left, allowance)
        case "comm_open" | "comm_msg" | "comm_close":
            left.append(LeftOut(name, "state of a widget: " + _NOT_A_FORM))
        case _:
            raise NotAForm("malformed")


def _of_bundle(data: Mapping[str, Any], name: str, left: list[LeftOut], allowance: Allowance) -> Iterator[Item]:
    kind = next((mime for mime in ("image/png", "image/jpeg", "text/csv", *_TEXT_KINDS) if mime in data), None)
    unknown = sorted(str(mime)[:80] for mime in data if mime != kind and mime not in _TEXT_KINDS)
    others = ", ".join(visible(mime) for mime in unknown[:_KINDS_NAMED]) + ("…" if len(unknown) > _KINDS_NAMED else "")
    if kind is None:
        raise NotAForm(f"{others}: {_NOT_A_FORM}")
    value = data[kind]
    if kind.startswith("image/"):
        yield Item(Form.png, f"{name} (picture)", canonical_png(_unbase64(value), allowance))
    elif kind == "text/csv":
        yield Item(Form.csv, f"{name} (table)", canonical_csv(_joined(value), allowance=allowance))
    else:
        text = _json(value) if kind == "application/json" else _joined(value)
        yield Item(Form.text, f"{name} (text)", canonical_text(text, allowance))
    if others:
        left.append(LeftOut(f"{name}: {others}", f"{_NOT_A_FORM}. The {kind} of the same output stands for it."))


def _of_file(ending: str, path: str, data: bytes, allowance: Allowance) -> Item:
    if kind_of(data):
        if ending not in ("png", "jpg", "jpeg"):
            raise NotAForm("a picture under another file's name")
        return Item(Form.png, path, canonical_png(data, allowance))
    if ending not in ("txt", "log", "md", "json", "csv", "tsv"):
        raise NotAForm(_NOT_A_FORM)
    if len(data) > TEXT_BYTES:
        raise NotAForm(f"larger than the {TEXT_BYTES // 1024} KiB of text that can be reviewed")
    text = _decoded(data)
    if ending in ("csv", "tsv"):
        return Item(Form.csv, path, canonical_csv(text, "\t" if ending == "tsv" else delimiter_of(text), allowance))
    return Item(Form.text, path, canonical_text(text, allowance))


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAForm("not UTF-8 text") from None
    if "\x00" in text:
        raise NotAForm("binary data")
    return text


def _json(value: Any) -> str:
    """Indented JSON for people to read. It is written piece by piece: indenting deeply nested data can turn megabytes into gigabytes."""
    pieces, size = [], 0
    for piece in json.JSONEncoder(indent=1, ensure_ascii=False, sort_keys=True).iterencode(value):
        pieces.append(piece)
        size += len(piece)
        if size > RAW_TEXT:
            break
    return "".join(pieces)


def _joined(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        raise NotAForm("malformed")
    return value


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _unbase64(value: Any) -> bytes:
    text = _joined(value)
    if len(text) > 2 * PNG_BYTES:
        raise NotAForm(f"larger than the {PNG_BYTES // 2**20} MiB of picture that can be reviewed")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NotAForm("a picture that cannot be decoded") from None
