"""The base of every type that crosses a boundary: frozen, closed to unknown fields, with one canonical JSON form."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Closed(BaseModel):
    """A frozen value that refuses unknown fields, NaN and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical(self) -> bytes:
        """The value as JSON with sorted keys and no spaces: equal values give equal bytes."""
        return canonical_json(self.model_dump(mode="json"))

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON bytes with sorted keys, no spaces and no NaN; raises ValueError on what JSON cannot say."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
