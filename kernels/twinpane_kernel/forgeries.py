"""Removes from the clear kernel's messages everything that only the pane may say. Marks come from the pane's own record alone.

A cell can still draw something that looks like a mark: HTML can show anything. But it cannot speak in the pane's name, neither to a client
that draws marks nor to a reader of the saved notebook. It cannot change or hide a strip by its name either.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twinpane_sandbox import protocol

from .message import Message
from .strip import DISPLAY, MIME

UNTOUCHED = frozenset({"stream", "status", "execute_input"})
"""Clients take text out of these and nothing else, and some are large."""
_SUSPECT = (b"twinpane", b"twp", b"\\u")
"""One of these is in the bytes of whatever is looked for: letters can be written as escapes."""
_IMITATION = re.compile(r"""[.="'\s](?:twp(?!-t\b)(?:-[a-z]+)?|twinpane-none)(?![\w-])""")
"""The strip's own classes, in an element or a style sheet. ``twp-t`` is a table of `twinpane`."""
_DRAWN = frozenset({"text/html", "text/markdown", "image/svg+xml"})


def cleaned(message: Message, key: bytes) -> Message | None:
    """The message without anything that only the pane may say, signed anew if it changed.

    None if it poses as the pane's own display, or if a client might read something in it that cannot be predicted here.
    """
    if message.msg_type in UNTOUCHED or not any(word in message.frames[5] for word in _SUSPECT):
        return message
    try:
        content = json.loads(message.frames[5])
        if not isinstance(content, dict) or _is_strip(content):
            return None
        found = _without(content)
    except (ValueError, RecursionError):
        return None
    if found == content:
        return message
    parts = [*message.frames[2:5], json.dumps(found).encode()]
    frames = (message.frames[0], protocol.sign(key, parts), *parts, *message.frames[6:])
    return replace(message, frames=frames)


def _is_strip(content: Mapping[str, Any]) -> bool:
    transient = content.get("transient")
    name = transient.get("display_id") if isinstance(transient, dict) else None
    return isinstance(name, str) and name.startswith(DISPLAY)


def _without(value: Any, name: str = "") -> Any:
    if isinstance(value, list):
        return [_without(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without(inner, key)
        for key, inner in value.items()
        if key != MIME and not (key == "twinpane" and name == "metadata") and not (key in _DRAWN and _imitates(inner))
    }


def _imitates(drawn: Any) -> bool:
    text = "".join(map(str, drawn)) if isinstance(drawn, list) else str(drawn)
    return _IMITATION.search(text) is not None
