"""Say why a closed type refused a value, in a text that repeats nothing of the value unless the type's own message does."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Mistake:
    """The first of a value's mistakes. ``kind`` is pydantic's name of it; ``more`` says how many others there are."""

    location: tuple[str | int, ...]
    kind: str
    text: str
    more: int

    @property
    def where(self) -> str:
        """The place as a dotted path; empty for the value as a whole."""
        return ".".join(str(part) for part in self.location)

    def __str__(self) -> str:
        """What is wrong, and where."""
        return f"{self.text} (at {self.where})" if self.location else self.text


def first(error: "ValidationError") -> Mistake:
    """The first mistake of a refusal."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return Mistake(found[0]["loc"], found[0]["type"], found[0]["msg"].removeprefix("Value error, "), len(found) - 1)
