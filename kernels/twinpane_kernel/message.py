"""A message of the Jupyter protocol on its way through the pane."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from twinpane_sandbox import protocol

SHORT = 4096
"""Bytes of a parent header that is remembered, at most."""


@dataclass(frozen=True)
class Message:
    """A message on its way: routing frames apart, header parsed, content parsed when asked for."""

    route: tuple[bytes, ...]
    frames: tuple[bytes, ...]
    """From the delimiter on: delimiter, signature, header, parent header, metadata, content, buffers."""
    header: dict[str, Any]

    @property
    def msg_type(self) -> str:
        """The type, empty where the header has none."""
        value = self.header.get("msg_type")
        return value if isinstance(value, str) else ""

    @property
    def msg_id(self) -> str:
        """The id, empty where the header has none."""
        value = self.header.get("msg_id")
        return value if isinstance(value, str) else ""

    @property
    def parent(self) -> Mapping[str, Any]:
        """The header of the request that this answers."""
        part = self.frames[3]
        return _remembered(part) if len(part) <= SHORT else as_object(part)

    @property
    def parent_id(self) -> str:
        """The id of the request that this answers."""
        value = self.parent.get("msg_id")
        return value if isinstance(value, str) else ""

    @property
    def content(self) -> dict[str, Any]:
        """The content, empty where it is not a JSON object."""
        return as_object(self.frames[5])

    @property
    def buffers(self) -> tuple[bytes, ...]:
        """The binary buffers behind the content."""
        return self.frames[6:]


def as_object(part: bytes) -> dict[str, Any]:
    """A JSON object, empty where the bytes are none."""
    try:
        value = json.loads(part.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


_remembered = lru_cache(16)(as_object)
"""All that one cell says has the same parent."""


def read(parts: Sequence[bytes]) -> Message | None:
    """Split routing frames from a message; None for what is not one."""
    try:
        at = parts.index(protocol.DELIMITER)
    except ValueError:
        return None
    if len(parts) - at < 6:
        return None
    return Message(tuple(parts[:at]), tuple(parts[at:]), as_object(parts[at + 2]))
