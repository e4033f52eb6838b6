"""Encode messages as frames and decode them. Refuse what is not a message of the link; the refusal repeats nothing of it."""

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from twinpane_broker import Closed
from twinpane_ground import limits
from twinpane_ground.mistakes import first

__all__ = ["WireError", "decode", "encode"]

if TYPE_CHECKING:
    from typing_extensions import TypeForm

Message = TypeVar("Message")


class WireError(ValueError):
    """A message that is not one of the link's: malformed, unknown, of another version, or too large."""


def encode(message: Closed) -> str:
    """The text frame of a message; raises WireError when it is larger than the link carries."""
    text = message.model_dump_json()
    if len(text.encode()) > limits.FRAME:
        raise WireError(f"message of {len(text)} characters is over the link's limit of {limits.FRAME} bytes")
    return text


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def decode(kind: "TypeForm[Message]", frame: str | bytes) -> Message:
    """A message of that type (or union of types) from its frame; raises WireError with a text that repeats nothing of the frame."""
    if len(frame) > limits.FRAME:
        raise WireError(f"message is over the link's limit of {limits.FRAME} bytes")
    try:
        form: Any = kind  # it is hashable, which mypy does not know of type forms
        message: Message = _adapter(form).validate_json(frame)
    except ValidationError as error:
        raise WireError(f"message refused: it is not one of the link's (at {first(error).where or 'its start'})") from None
    return message
