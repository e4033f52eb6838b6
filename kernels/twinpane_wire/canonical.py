"""The canonical form of a cell's outputs. One digest of it compares the clear run with an inside run.

The form is what a notebook would keep, without what the cell does not decide: streams are joined, `clear_output` and display updates
are applied, display ids are numbered in order of appearance, execution counts and message ids are left out.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twinpane_broker import canonical_json

OUTPUT_TYPES = frozenset(
    {"stream", "display_data", "execute_result", "update_display_data", "clear_output", "error", "comm_open", "comm_msg", "comm_close"}
)
"""The iopub messages that carry outputs; all others are bookkeeping."""

NAMES = 100_000
"""Display ids of a session that get a number of their own, at most, so that a hostile kernel cannot fill its reader's memory."""
ITEMS = 20_000
"""Outputs of a cell, at most; a stream counts once however often it is written to. Further outputs are dropped."""

_BUNDLES = frozenset({"display_data", "execute_result"})


@dataclass
class DisplayNames:
    """Numbers display ids in order of appearance. IPython draws the ids at random, so two runs agree only on their order."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, display_id: object) -> int | None:
        """The number of an id, None for a display without one."""
        if not isinstance(display_id, str):
            return None
        name = display_id if len(display_id) <= 64 else hashlib.sha256(display_id.encode("utf-8", "surrogatepass")).hexdigest()
        if name not in self._numbers and len(self._numbers) >= NAMES:
            return 0
        return self._numbers.setdefault(name, len(self._numbers) + 1)


class Outputs:
    """The outputs of one run of one cell so far.

    ``limit`` bounds the bytes kept. Outputs beyond it are counted in ``dropped`` and make the digest unique, so that two runs that both
    overflow never look the same.
    """

    def __init__(self, names: DisplayNames, limit: int = 64 * 2**20) -> None:
        self._names = names
        self._limit = limit
        self._size = 0
        self._items: list[dict[str, Any]] = []
        self._clear_on_next = False
        self.dropped = 0

    def add(self, msg_type: str, content: Mapping[str, Any], buffers: Sequence[bytes] = (), size: int | None = None) -> None:
        """Take one iopub message of ``size`` bytes (counted where not given); types that are not outputs are ignored."""
        if msg_type not in OUTPUT_TYPES:
            return
        if msg_type == "clear_output":
            if content.get("wait"):
                self._clear_on_next = True
            else:
                self._clear()
            return
        item = self._item(msg_type, content, buffers)
        size = len(canonical_json(item)) if size is None else size
        if self._size + size > self._limit or len(self._items) >= ITEMS:
            self.dropped += 1
            return
        self._size += size
        if self._clear_on_next and not msg_type.startswith("comm_"):
            self._clear()
        if msg_type == "update_display_data":
            self._update(item)
        elif msg_type == "stream":
            self._stream(item)
        else:
            self._items.append(item)

    def _item(self, msg_type: str, content: Mapping[str, Any], buffers: Sequence[bytes]) -> dict[str, Any]:
        match msg_type:
            case "stream":
                name = "stderr" if content.get("name") == "stderr" else "stdout"
                return {"output_type": "stream", "name": name, "text": [str(content.get("text", ""))]}
            case "error":
                traceback = content.get("traceback")
                lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
                return {
                    "output_type": "error", "ename": str(content.get("ename", "")), "evalue": str(content.get("evalue", "")),
                    "traceback": lines,
                }  # fmt: skip
            case "comm_open" | "comm_msg" | "comm_close":
                kept = {key: content[key] for key in ("comm_id", "target_name", "data") if key in content}
                return {"output_type": msg_type, **kept, "buffers": [hashlib.sha256(b).hexdigest() for b in buffers]}
        transient = content.get("transient")
        display_id = transient.get("display_id") if isinstance(transient, Mapping) else None
        return {
            "output_type": msg_type, "data": content.get("data", {}), "metadata": content.get("metadata", {}),
            "display": self._names.number(display_id),
        }  # fmt: skip

    def _clear(self) -> None:
        self._clear_on_next = False
        self._items = [item for item in self._items if item["output_type"].startswith("comm_")]

    def _stream(self, item: dict[str, Any]) -> None:
        # The kernel flushes stdout and stderr at different times, so between two displays only the text of each counts.
        for earlier in reversed(self._items):
            if earlier["output_type"] != "stream":
                break
            if earlier["name"] == item["name"]:
                earlier["text"].extend(item["text"])
                return
        self._items.append(item)

    def _update(self, item: dict[str, Any]) -> None:
        found = False
        for earlier in self._items:
            if earlier["output_type"] in _BUNDLES and earlier["display"] is not None and earlier["display"] == item["display"]:
                earlier["data"], earlier["metadata"] = item["data"], item["metadata"]
                found = True
        if not found:
            self._items.append(item)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The outputs in order, stdout before stderr where they are adjacent."""
        run: list[dict[str, Any]] = []
        for item in (*self._items, None):
            if item is not None and item["output_type"] == "stream":
                run.append({**item, "text": "".join(item["text"])})
                continue
            yield from sorted(run, key=lambda stream: stream["name"], reverse=True)
            run = []
            if item is not None:
                yield item

    def __bool__(self) -> bool:
        """Whether anything shows: comm messages alone do not."""
        return any(not item["output_type"].startswith("comm_") for item in self._items) or bool(self.dropped)

    def digest(self, owner: str = "") -> str:
        """SHA-256 of the canonical form. Where something was dropped, ``owner`` is hashed too, so that no two owners agree."""
        form: list[Any] = list(self)
        if self.dropped:
            form.append({"dropped": self.dropped, "owner": owner})
        return hashlib.sha256(canonical_json(form)).hexdigest()
