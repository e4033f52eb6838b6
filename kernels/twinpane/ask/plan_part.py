"""Make parts of a plan from what a person wrote; refuse invalid ones with a sentence."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from twinpane.errors import Refused
from twinpane_ground import mistakes

Part = TypeVar("Part")


def made(part: Callable[..., Part], /, **fields: Any) -> Part:
    """A part of a plan; raises Refused with the reason where it is invalid."""
    try:
        return part(**fields)
    except ValidationError as error:
        raise Refused(f"the question cannot be asked so: {mistakes.first(error)}", "grammar") from None
