"""Writing Jupyter messages: signed frames from values.

jupyter_client's Session would do, but importing it takes longer than a kernel may take to start. Reading what a kernel
sends is in `frames`, which trusts nothing.
"""

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

DELIMITER = b"<IDS|MSG>"
VERSION = "5.4"


def header(msg_type: str, session: str, msg_id: str | None = None, username: str = "twinpane") -> dict[str, Any]:
    """A new message header, dated now."""
    date = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {
        "msg_id": msg_id or uuid.uuid4().hex, "msg_type": msg_type, "session": session, "username": username, "date": date,
        "version": VERSION,
    }  # fmt: skip


def sign(key: bytes, parts: Sequence[bytes]) -> bytes:
    """The HMAC-SHA256 of the four JSON parts, in hexadecimal; empty where the connection has no key."""
    if not key:
        return b""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        mac.update(part)
    return mac.hexdigest().encode()


def frames(
    key: bytes, head: Mapping[str, Any], content: Mapping[str, Any], parent: Mapping[str, Any] | bytes = b"{}",
    metadata: Mapping[str, Any] | None = None, buffers: Sequence[bytes] = (),
) -> list[bytes]:  # fmt: skip
    """The frames of a message from the delimiter on; put routing frames or a topic before them."""
    parent_part = parent if isinstance(parent, bytes) else json.dumps(parent).encode()
    parts = [json.dumps(head).encode(), parent_part, json.dumps(metadata or {}).encode(), json.dumps(content).encode()]
    return [DELIMITER, sign(key, parts), *parts, *buffers]


def genuine(key: bytes, message: Sequence[bytes]) -> bool:
    """Whether frames from the delimiter on (delimiter, signature, four parts, …) carry the key's signature."""
    return len(message) >= 6 and message[0] == DELIMITER and hmac.compare_digest(sign(key, message[2:6]), bytes(message[1]))
