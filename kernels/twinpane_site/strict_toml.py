"""TOML files into closed types: an unknown key, a wrong type or a missing key stops with its place and what to do. Nothing is guessed."""

import json
import tomllib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


Prepare = Callable[[dict[str, Any]], dict[str, Any]]


def read(path: Path, model: type[Model], prepare: Prepare | None = None) -> Model:
    """The file as a value of ``model``; raises ConfigError naming file, key and remedy. ``prepare`` sees the raw keys first."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing. `twinpane site init` drafts it; or restore it from your backup.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    return parse(text, model, str(path), prepare)


def parse(text: str, model: type[Model], name: str, prepare: Prepare | None = None) -> Model:
    """Like ``read`` for a text; ``name`` stands for the file in messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not TOML: {error}.") from None
    data = prepare(data) if prepare else data
    try:
        # Strict JSON mode: no text taken for a number and the like, but lists for tuples, texts for enums and dates.
        return model.model_validate_json(json.dumps(data, default=_plain, allow_nan=False), strict=True)
    except ValidationError as error:
        raise ConfigError(_sentence(error, model, name)) from None
    except ValueError as error:
        raise ConfigError(f"{name}: {error}.") from None


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise ValueError(f"a value of type {type(value).__name__} has no place here")


def _sentence(error: ValidationError, model: type[BaseModel], name: str) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    *where, key = [str(part) for part in first["loc"]] or [""]
    place = f" in [{'.'.join(where)}]" if where else ""
    match first["type"]:
        case "extra_forbidden":
            known = ", ".join(_keys(model, first["loc"][:-1]))
            text = f"unknown key `{key}`{place}" + (f"; known are {known}" if known else "") + ". Remove it or correct its spelling"
        case "missing":
            text = f"`{key}` is missing{place}. Write it: it is never guessed"
        case _:
            said = first["msg"].removeprefix("Value error, ")
            text = f"`{key}`{place}: {said[:1].lower()}{said[1:]}" if key else said
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{name}: {text}.{more}"


def _keys(model: Any, location: tuple[Any, ...]) -> list[str]:
    for part in location:
        if isinstance(part, int):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return []
        model = field.annotation
        for inner in getattr(model, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return list(getattr(model, "model_fields", {}))
