"""The base of every type that crosses a boundary: frozen, closed to unknown fields, with one canonical JSON form."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Closed(BaseModel):
    """A frozen value that refuses unknown fields, NaN and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical(self) -> bytes:
        """The value as JSON with sorted keys and no spaces: equal values give equal bytes."""
        return canonical_json(self.model_dump(mode="json"))

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


class Grown(Closed):
    """A value with parts that older versions did not have. Without such a part it has the same bytes, and the same digest, as before."""

    newer: ClassVar[tuple[str, ...]] = ()
    """The names of these parts. Each is empty unless somebody says otherwise."""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        for name in self.newer:
            if told.get(name) in (None, (), []):
                told.pop(name, None)
        return told


@dataclass(frozen=True, eq=False)
class Same:
    """A value that never changes, as the key of a cache: the very same one, not an equal one. ``True`` equals 1, and is another code."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> bytes:
    """JSON bytes with sorted keys, no spaces and no NaN; raises ValueError on what JSON cannot say."""
    return _CANONICAL.encode(value).encode()
