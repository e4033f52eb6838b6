"""Parts of a plan, made from what a person wrote: what is none is refused in a sentence."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from twinpane.errors import Refused
from twinpane_ground import mistakes

Part = TypeVar("Part")


def made(part: Callable[..., Part], /, **fields: Any) -> Part:
    """A part of a plan; raises Refused with the reason where it is none."""
    try:
        return part(**fields)
    except ValidationError as error:
        raise Refused(f"the question cannot be asked so: {mistakes.first(error)}", "grammar") from None
