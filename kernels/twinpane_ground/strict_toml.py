"""Read TOML files into closed types. An unknown key, a wrong type or a missing key raises an error with its place and the remedy."""

import json
import tomllib
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from . import mistakes

Model = TypeVar("Model", bound=BaseModel)
Prepare = Callable[[dict[str, Any]], dict[str, Any]]


def read(path: Path, model: type[Model], raises: type[Exception], prepare: Prepare | None = None) -> Model:
    """The file as a value of ``model``. ``prepare`` sees the raw keys first.

    Raises ``raises`` with one sentence that names the file, the key and the remedy. It repeats nothing of a value unless the type's own
    message does.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise raises(f"{path} is missing. Write it, or restore it from your backup.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise raises(f"{path} cannot be read: {error}.") from None
    return parse(text, model, str(path), raises, prepare)


def parse(text: str, model: type[Model], name: str, raises: type[Exception], prepare: Prepare | None = None) -> Model:
    """Like ``read`` for a text; ``name`` stands for the file in messages."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise raises(f"{name} is not TOML: {error}.") from None
    data = prepare(data) if prepare else data
    try:
        # Strict JSON mode: no text taken for a number and the like, but lists for tuples, texts for enums and dates.
        return model.model_validate_json(json.dumps(data, default=_plain, allow_nan=False), strict=True)
    except ValidationError as error:
        raise raises(_sentence(mistakes.first(error), model, name)) from None
    except ValueError as error:
        raise raises(f"{name}: {error}.") from None


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise ValueError(f"a value of type {type(value).__name__} has no place here")


def _sentence(mistake: mistakes.Mistake, model: type[BaseModel], name: str) -> str:
    *where, key = _path(mistake.location, model) or [""]
    place = f" in [{'.'.join(where)}]" if where else ""
    match mistake.kind:
        case "extra_forbidden":
            known = ", ".join(_keys(mistake.location[:-1], model))
            text = f"unknown key `{key}`{place}" + (f"; known are {known}" if known else "") + ". Remove it or correct its spelling"
        case "missing":
            text = f"`{key}` is missing{place}. Write it: it is never guessed"
        case _:
            text = f"`{key}`{place}: {mistake.text[:1].lower()}{mistake.text[1:]}" if key else mistake.text
    more = f" ({mistake.more} more)" if mistake.more else ""
    return f"{name}: {text}.{more}"


def _path(location: Iterable[str | int], model: type[BaseModel]) -> list[str]:
    """The keys of the file that lead to a mistake, without the steps that pydantic puts between them."""
    kind: Any = model
    path: list[str] = []
    for part in location:
        kind, written = _below(kind, part)
        if isinstance(part, int):
            path[-1] += f".{part}"
        elif written:
            path.append(part)
    return path


def _keys(location: Iterable[str | int], model: type[BaseModel]) -> list[str]:
    """The keys that may stand at a place."""
    kind: Any = model
    for part in location:
        kind, _ = _below(kind, part)
    return [name for member in _members(kind) for name in getattr(member, "model_fields", {})]


def _below(kind: Any, part: str | int) -> tuple[Any, bool]:
    """The type one step below another, and whether the step stands in the file: the tag of a union and ``[key]`` do not."""
    members = _members(kind)
    for member in members:
        if part in getattr(member, "model_fields", {}):
            return member.model_fields[part].annotation, True
    for member in members:
        if _is_tagged(member, part):
            return member, False
    for member in members:
        if get_origin(member) in (dict, list, tuple):
            return get_args(member)[1 if get_origin(member) is dict else 0], True
    return None, part != "[key]"


def _members(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [member for each in get_args(kind) for member in _members(each)]
    return [kind]


def _is_tagged(member: Any, tag: str | int) -> bool:
    fields = getattr(member, "model_fields", {}).values()
    return any(get_origin(field.annotation) is Literal and tag in get_args(field.annotation) for field in fields)
