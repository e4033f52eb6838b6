"""How a cell's outputs lie in the held store: canonical outputs as JSON, packed, with a count of what was left out."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Packed:
    """The packed outputs of one cell. ``sha256`` and ``bytes`` are of the content before packing."""

    content: bytes
    sha256: str
    outputs: int
    bytes: int
    dropped: int


def pack(outputs: Iterable[Mapping[str, Any]], room: int, dropped: int = 0) -> Packed:
    """Pack as many outputs as fit into ``room`` bytes, in order. ``dropped`` counts the outputs lost before and those left out here."""
    kept, size = [], 0
    for output in outputs:
        # ASCII, because a hostile kernel's text may hold lone surrogates.
        text = json.dumps(output, sort_keys=True, separators=(",", ":")).encode("ascii")
        if size + len(text) > room:
            dropped += 1
        else:
            kept.append(text)
            size += len(text)
    content = b'{"dropped":%d,"outputs":[%s]}' % (dropped, b",".join(kept))
    packed = gzip.compress(content, compresslevel=1, mtime=0)
    return Packed(packed, hashlib.sha256(content).hexdigest(), len(kept), len(content), dropped)
