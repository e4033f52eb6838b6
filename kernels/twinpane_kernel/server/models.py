"""Models of the contents API, from what lies on the disk: plain functions that open nothing."""

import base64
import binascii
import hashlib
import mimetypes
from datetime import UTC, datetime
from typing import Any

import nbformat
from tornado.web import HTTPError

from twinpane_sandbox.folders import Entry


def when(changed: int) -> datetime:
    """A time in nanoseconds, as the API wants it; one that no calendar has is the epoch."""
    try:
        return datetime.fromtimestamp(changed / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def model_of(path: str, entry: Entry) -> dict[str, Any]:
    """What all models have in common."""
    return {
        "name": path.rpartition("/")[2], "path": path, "last_modified": when(entry.changed), "created": when(entry.changed),
        "content": None, "format": None, "mimetype": None, "size": entry.size, "writable": entry.writable,
        "hash": None, "hash_algorithm": None,
    }  # fmt: skip


def file_model(path: str, entry: Entry, kind: str | None = None) -> dict[str, Any]:
    """The model of a file or notebook, without its content."""
    if kind == "notebook" or (kind is None and path.endswith(".ipynb")):
        return model_of(path, entry) | {"type": "notebook"}
    return model_of(path, entry) | {"type": "file", "mimetype": mimetypes.guess_type(path)[0]}


def encoded(raw: bytes, form: str | None) -> tuple[str, str]:
    """A file's content and its format: text where it is UTF-8 and not asked for otherwise. Raises HTTPError."""
    if form != "base64":
        try:
            return raw.decode("utf-8"), "text"
        except UnicodeDecodeError:
            if form == "text":
                raise HTTPError(400, "the file is not UTF-8 text", reason="bad format") from None
    return base64.encodebytes(raw).decode("ascii"), "base64"


def decoded(content: object, form: object) -> bytes:
    """The bytes that a model's content stands for; raises HTTPError."""
    if not isinstance(content, str) or form not in ("text", "base64"):
        raise HTTPError(400, "content is text, its format 'text' or 'base64'")
    try:
        return content.encode("utf-8") if form == "text" else base64.decodebytes(content.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        raise HTTPError(400, "the content is not what its format says") from None


def digest(raw: bytes) -> dict[str, str]:
    """The part of a model that says what the file's content is."""
    return {"hash": hashlib.sha256(raw).hexdigest(), "hash_algorithm": "sha256"}


def notebook_bytes(nb: nbformat.NotebookNode, invalid: dict[str, Any]) -> bytes:
    """A notebook as it is saved; what is wrong with it goes into ``invalid``."""
    text: str = nbformat.writes(nb, version=nbformat.NO_CONVERT, capture_validation_error=invalid)
    return (text if text.endswith("\n") else text + "\n").encode("utf-8")
