"""The forms in which an output may be reviewed and let out: UTF-8 text, a CSV table, a picture as PNG. What is seen is what leaves.

Each form can be seen whole. Text has no character that does not show: control characters, bidirectional marks and other
invisibles become ``⟨U+202E⟩``. A table is parsed and written again by our own writer. A picture is decoded and only its pixels,
on white, are written again: no metadata, no transparency to hide under, no further frames. HTML, SVG, scripts, widgets, PDF,
pickles and everything unknown are not a form and are left out, with the reason.

Both ends use this module: the pane for the twin's items, the review for the real ones. It never raises on what a hostile kernel
may say; it leaves out. Pillow is imported only where a picture is met.
"""

import base64
import binascii
import csv
import hashlib
import io
import json
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from . import limits
from .messages import TwinItem

TEXT_BYTES = 512 * 1024
"""Bytes of a text or table in canonical form: what a person can still be asked to read."""
CSV_ROWS = 5_000
CSV_COLUMNS = 200
PNG_BYTES = 6 * 2**20
"""Bytes of a picture, as it came and as it is written again."""
PIXELS = 16_000_000
SIDE = 10_000
"""Pixels of one side of a picture."""


class Form(StrEnum):
    """What an item may be; also the ending of its file is fixed by it."""

    text = "text"
    csv = "csv"
    png = "png"

    @property
    def ending(self) -> str:
        return {"text": "txt", "csv": "csv", "png": "png"}[self.value]


@dataclass(frozen=True)
class Item:
    """A thing in a form that can be seen whole. ``label`` says where it came from, ``content`` is what would leave."""

    form: Form
    label: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class LeftOut:
    """A thing that is not in a form that can leave, and why. For reviewers; never sent to the author."""

    what: str
    why: str


@dataclass(frozen=True)
class Canonical:
    """Outputs or a file in the forms that can be seen whole, in order, and what was left out."""

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...] = ()

    def as_twins(self) -> tuple[TwinItem, ...]:
        """The items as the link carries them, for reviewers to see beside the real ones."""
        return tuple(TwinItem(form=item.form.value, content=base64.b64encode(item.content).decode()) for item in self.items)


class NotAForm(ValueError):
    """Bytes that are not in a form that can be seen whole; the text says why and repeats nothing of them."""


# ---------------------------------------------------------------- text

_ANSI = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HIDDEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Characters that are letters, marks or symbols by category and yet show nothing."""
_MARKS = 2
"""Combining marks kept on one letter; more are a hiding place."""


def _selector(point: int) -> bool:
    return 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF


def visible(text: str) -> str:
    """The text in NFC with every character that does not show written out as ``⟨U+XXXX⟩``; spaces of all kinds become a space."""
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if character == "\n":
            out.append(character)
        elif category == "Zs":
            out.append(" ")
        elif category in _HIDDEN_CATEGORIES or character in _HIDDEN_LETTERS or _selector(ord(character)) or marks > _MARKS:
            out.append(f"⟨U+{ord(character):04X}⟩")
        else:
            out.append(character)
    return "".join(out)


def canonical_text(text: str) -> bytes:
    """Text as a terminal would leave it: no colours, progress bars at their last state, no blanks at line ends, all visible.

    Raises NotAForm when it is empty or longer than ``TEXT_BYTES``.
    """
    if len(text) > 8 * TEXT_BYTES:
        raise NotAForm(f"longer than the {TEXT_BYTES // 1024} KiB of text that can be reviewed")
    lines = []
    for line in _ANSI.sub("", text).replace("\r\n", "\n").split("\n"):
        parts = [part for part in line.split("\r") if part]
        lines.append(visible((parts[-1] if parts else "").expandtabs(8)).rstrip(" "))
    content = ("\n".join(lines).strip("\n") + "\n").encode()
    if content == b"\n":
        raise NotAForm("empty")
    if len(content) > TEXT_BYTES:
        raise NotAForm(f"longer than the {TEXT_BYTES // 1024} KiB of text that can be reviewed")
    return content


# ---------------------------------------------------------------- tables


def read_table(text: str, delimiter: str = ",") -> list[list[str]]:
    """Rows of a table with as many fields in each row as in the first; raises NotAForm on anything else."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        raise NotAForm("not a well-formed CSV table") from None
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise NotAForm("not a table: its rows differ in length")
    if len(rows) > CSV_ROWS + 1 or len(rows[0]) > CSV_COLUMNS:
        raise NotAForm(f"larger than the {CSV_ROWS} rows and {CSV_COLUMNS} columns that can be reviewed")
    return rows


def canonical_csv(text: str, delimiter: str = ",") -> bytes:
    """The table written again: comma, ``\\n``, quotes only where needed, fields visible and without line breaks or outer blanks."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for row in read_table(text, delimiter):
        writer.writerow([" ".join(visible(field.replace("\r\n", "\n").expandtabs(8)).split("\n")).strip(" ") for field in row])
    content = out.getvalue().encode()
    if len(content) > TEXT_BYTES:
        raise NotAForm(f"longer than the {TEXT_BYTES // 1024} KiB of table that can be reviewed")
    return content


def _delimiter(text: str) -> str:
    head = text.split("\n", 1)[0]
    return max(",\t;", key=lambda mark: (head.count(mark), mark == ","))


# ---------------------------------------------------------------- pictures

_MAGIC = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"))


def canonical_png(data: bytes) -> bytes:
    """The picture's pixels on white, as an RGB PNG without metadata: equal pixels give equal bytes. Raises NotAForm."""
    kind = next((name for magic, name in _MAGIC if data.startswith(magic)), None)
    if kind is None:
        raise NotAForm("not a PNG or JPEG picture")
    if len(data) > PNG_BYTES:
        raise NotAForm(f"larger than the {PNG_BYTES // 2**20} MiB of picture that can be reviewed")
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at a size of its own; ours is checked below, before any pixel is decoded
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                width, height = picture.size
                if not (0 < width <= SIDE and 0 < height <= SIDE and width * height <= PIXELS):
                    raise NotAForm(f"more than {PIXELS // 10**6} million pixels, or a side over {SIDE}")
                pixels = picture.convert("RGBA") if picture.mode not in ("I", "F", "I;16", "I;16B") else _eight_bits(picture)
            flat = Image.new("RGB", pixels.size, "white")
            flat.paste(pixels, mask=pixels.getchannel("A"))
            out = io.BytesIO()
            Image.frombytes("RGB", flat.size, flat.tobytes()).save(out, "PNG", compress_level=6)
    except NotAForm:
        raise
    except Exception:  # any decoder may fail in any way on hostile bytes
        raise NotAForm("a picture that cannot be decoded") from None
    if out.tell() > PNG_BYTES:
        raise NotAForm(f"larger than the {PNG_BYTES // 2**20} MiB of picture that can be reviewed")
    return out.getvalue()


def _eight_bits(picture: Any) -> Any:
    return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGBA")


# ---------------------------------------------------------------- outputs and files

_TEXT_KINDS = ("text/plain", "text/markdown", "text/latex", "application/json")
_NOT_A_FORM = "not a form that can be seen whole; only text, CSV and PNG can leave"


def canonical_items(outputs: Sequence[Any], label: str = "output") -> Canonical:
    """The outputs of a cell (nbformat's dicts: stream, display_data, execute_result, error) in the forms that can leave.

    Of each display one rendition is taken: its picture, else its CSV, else its text. ``label`` names the cell.
    """
    items: list[Item] = []
    left: list[LeftOut] = []
    for number, output in enumerate(outputs, 1):
        name = f"{label}, output {number}"
        try:
            items.extend(_of_output(output, name, left))
        except NotAForm as why:
            left.append(LeftOut(name, str(why)))
        except (TypeError, ValueError, RecursionError, AttributeError):
            left.append(LeftOut(name, "malformed"))
    return _capped(items, left)


def canonical_file(path: str, data: bytes) -> Canonical:
    """A file in a form that can leave: by its ending and its content both."""
    ending = path.rsplit("/", 1)[-1].rsplit(".", 1)[-1].lower() if "." in path.rsplit("/", 1)[-1] else ""
    try:
        return Canonical((_of_file(ending, path, data),))
    except NotAForm as why:
        return Canonical((), (LeftOut(path, str(why)),))


def again(form: Form, content: bytes) -> bytes:
    """Bytes that claim to be in canonical form, made canonical: what comes from outside is never shown as it came. Raises NotAForm."""
    if form is Form.png:
        return canonical_png(content)
    return canonical_text(_decoded(content)) if form is Form.text else canonical_csv(_decoded(content))


def _of_output(output: Mapping[str, Any], name: str, left: list[LeftOut]) -> Iterator[Item]:
    match output.get("output_type"):
        case "stream":
            kind = "stderr" if output.get("name") == "stderr" else "stdout"
            yield Item(Form.text, f"{name} ({kind})", canonical_text(_joined(output.get("text", ""))))
        case "error":
            traceback = output.get("traceback")
            lines = [str(line) for line in traceback] if isinstance(traceback, list) and traceback else []
            text = "\n".join(lines) or f"{output.get('ename', '')}: {output.get('evalue', '')}"
            yield Item(Form.text, f"{name} (error)", canonical_text(text))
        case "display_data" | "execute_result" | "update_display_data":
            data = output.get("data")
            if not isinstance(data, Mapping) or not data:
                raise NotAForm("malformed")
            yield from _of_bundle(data, name, left)
        case "comm_open" | "comm_msg" | "comm_close":
            left.append(LeftOut(name, "state of a widget: " + _NOT_A_FORM))
        case _:
            raise NotAForm("malformed")


def _of_bundle(data: Mapping[str, Any], name: str, left: list[LeftOut]) -> Iterator[Item]:
    kind = next((mime for mime in ("image/png", "image/jpeg", "text/csv", *_TEXT_KINDS) if mime in data), None)
    others = sorted(visible(str(mime))[:80] for mime in data if mime != kind and mime not in _TEXT_KINDS)
    if kind is None:
        raise NotAForm(f"{', '.join(others)}: {_NOT_A_FORM}")
    value = data[kind]
    if kind.startswith("image/"):
        yield Item(Form.png, f"{name} (picture)", canonical_png(_unbase64(value)))
    elif kind == "text/csv":
        yield Item(Form.csv, f"{name} (table)", canonical_csv(_joined(value)))
    else:
        text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) if kind == "application/json" else _joined(value)
        yield Item(Form.text, f"{name} (text)", canonical_text(text))
    if others:
        left.append(LeftOut(f"{name}: {', '.join(others)}", f"{_NOT_A_FORM}. The {kind} of the same output stands for it."))


def _of_file(ending: str, path: str, data: bytes) -> Item:
    if any(data.startswith(magic) for magic, _ in _MAGIC):
        if ending not in ("png", "jpg", "jpeg"):
            raise NotAForm("a picture under another file's name")
        return Item(Form.png, path, canonical_png(data))
    if ending not in ("txt", "log", "md", "json", "csv", "tsv"):
        raise NotAForm(_NOT_A_FORM)
    if len(data) > TEXT_BYTES:
        raise NotAForm(f"larger than the {TEXT_BYTES // 1024} KiB of text that can be reviewed")
    text = _decoded(data)
    if ending in ("csv", "tsv"):
        return Item(Form.csv, path, canonical_csv(text, "\t" if ending == "tsv" else _delimiter(text)))
    return Item(Form.text, path, canonical_text(text))


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAForm("not UTF-8 text") from None
    if "\x00" in text:
        raise NotAForm("binary data")
    return text


def _joined(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        raise NotAForm("malformed")
    return value


def _unbase64(value: Any) -> bytes:
    text = _joined(value)
    if len(text) > 2 * PNG_BYTES:
        raise NotAForm(f"larger than the {PNG_BYTES // 2**20} MiB of picture that can be reviewed")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NotAForm("a picture that cannot be decoded") from None


def _capped(items: list[Item], left: list[LeftOut]) -> Canonical:
    for item in items[limits.ITEMS :]:
        left.append(LeftOut(item.label, f"more than {limits.ITEMS} outputs in one cell"))
    return Canonical(tuple(items[: limits.ITEMS]), tuple(left))
