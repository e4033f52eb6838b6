"""JSON from a program that may be hostile: bounded in size, depth and number of values, without duplicate keys, NaN or infinities."""

import json
import math
import re
from typing import Any

DEPTH = 64
"""Levels of objects and arrays, at most."""
VALUES = 400_000
"""Values of one text, at most: an empty array costs its sender three bytes and its reader sixty."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Unfit(ValueError):
    """Not JSON, or beyond the bounds."""


class TooLarge(Unfit):
    """Beyond the bounds; it may be JSON."""


def loads(raw: bytes, limit: int) -> Any:
    """The value of a JSON text of at most ``limit`` bytes. Bytes that are not UTF-8, and halves of surrogate pairs, become replacement
    characters. Raises Unfit, and nothing else."""
    if len(raw) > limit:
        raise TooLarge(f"more than {limit} bytes")
    if _marks(raw) > VALUES and _marks(_STRING.sub(b"", raw)) > VALUES:
        raise TooLarge(f"more than {VALUES} values")
    try:
        value = json.loads(raw.decode("utf-8", "replace"), object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"not JSON that may be read ({type(error).__name__})") from None
    _check_depth(value)
    return _whole(value) if _SURROGATE.search(raw) else value


def _marks(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unfit("a key appears twice")
    return found


def _constant(name: str) -> float:
    raise Unfit(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Unfit("a number is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
    if level:
        raise TooLarge(f"more than {DEPTH} levels")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(inner) for name, inner in value.items()}
    return value
