"""Parts of a plan, made from what a person wrote: what is none is refused in a sentence."""

from typing import Any

from pydantic import ValidationError

from twinpane.errors import Refused


def made(part: type, /, **fields: Any) -> Any:
    """A part of a plan; raises Refused with the reason where it is none."""
    try:
        return part(**fields)
    except ValidationError as error:
        raise Refused(f"the question cannot be asked so: {first_mistake(error)}", "grammar") from None


def first_mistake(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return f"{text}{f' (at {where})' if where else ''}"
