"""Read what a kernel says over ZMQ as hostile input: check signature, sizes, types and fields, and pass nothing on as it came.

Routing frames and topics, every header field but the type and the parent's id, the metadata, and fields that the tables do not name are
dropped: what is left is a small value rebuilt from checked parts. A kernel holds the key, so the signature only says that the frames
come from this kernel and not from a neighbour.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from .messages_table import MESSAGES
from .strict_json import TooLarge, Unfit, loads

Channel = Literal["shell", "control", "stdin", "iopub"]

DELIMITER = b"<IDS|MSG>"
ROUTING = 8
"""Frames before the delimiter, at most, of 255 bytes each at most."""
BUFFERS = 256
HEADER = 16 * 1024
METADATA = 2**20
CONTENT = 32 * 2**20
TOTAL = 64 * 2**20
"""Bytes of all frames of a message."""
ID = 200
"""Characters of a message id."""


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """The checked part of a message. ``parent_msg_id`` is None where the kernel names no request (``status: starting``).

    ``content`` holds only fields that ``messages_table`` names, each of the type it says.
    """

    msg_type: str
    parent_msg_id: str | None
    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class Unread(Enum):
    """Why frames give no message: they are not one, or one beyond the bounds, which the kernel may have meant to be shown."""

    unknown = "unknown"
    too_large = "too_large"


def parse(frames: Sequence[bytes], key: bytes, channel: Channel | str) -> "KernelMessage | Unread":
    """The message of these frames, received on that channel from the kernel with that key. Never raises."""
    known = MESSAGES.get(channel)
    if known is None or not key:
        return Unread.unknown
    delimiter = _delimiter(frames)
    if isinstance(delimiter, Unread):
        return delimiter
    signature, header, parent, metadata, content, *buffers = frames[delimiter + 1 :]
    if len(header) > HEADER or len(parent) > HEADER or len(metadata) > METADATA or len(content) > CONTENT:
        return Unread.too_large
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in (header, parent, metadata, content):
        mac.update(part)
    if not hmac.compare_digest(mac.hexdigest().encode(), signature):
        return Unread.unknown
    try:
        head, above = loads(header, HEADER), loads(parent, HEADER)
    except Unfit:
        return Unread.unknown
    if not _is_header(head) or head["msg_type"] not in known or not isinstance(above, dict):
        return Unread.unknown
    try:
        body = loads(content, CONTENT)
    except TooLarge:
        return Unread.too_large
    except Unfit:
        return Unread.unknown
    parent_id = above.get("msg_id")
    if not isinstance(body, dict) or (parent_id is not None and not _is_id(parent_id)):
        return Unread.unknown
    believed = known[head["msg_type"]](body)
    if believed is None:
        return Unread.unknown
    return KernelMessage(head["msg_type"], parent_id, believed, tuple(buffers))


def _delimiter(frames: Sequence[bytes]) -> "int | Unread":
    """Where the delimiter is, if the frames are bytes in the right number and size."""
    if len(frames) < 6 or not all(type(frame) is bytes for frame in frames):
        return Unread.unknown
    if len(frames) > ROUTING + 6 + BUFFERS or sum(map(len, frames)) > TOTAL:
        return Unread.too_large
    for index, frame in enumerate(frames[: ROUTING + 1]):
        if frame == DELIMITER:
            return index if 6 <= len(frames) - index <= 6 + BUFFERS else Unread.unknown
        if len(frame) > 255:
            return Unread.unknown
    return Unread.unknown


def _is_header(head: object) -> bool:
    # jupyter_client renames fields where the version is older than 5, which would let content past a check of today's names.
    return (
        isinstance(head, dict)
        and all(isinstance(head.get(name), str) for name in ("msg_type", "session", "username", "date", "version"))
        and _is_id(head.get("msg_id"))
        and head["version"].startswith("5.")
    )


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= ID
