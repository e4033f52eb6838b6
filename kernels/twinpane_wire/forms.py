"""Items for review: a form that can be seen whole, the items made from an output or file, and what making them may cost."""

import base64
import hashlib
from dataclasses import dataclass

from .messages import TwinItem
from .types import Form

TEXT_BYTES = 512 * 1024
"""Bytes of a text or table in canonical form, at most: what a person can be asked to read."""
RAW_TEXT = 8 * TEXT_BYTES
"""Characters of a text or table as it came, at most. Colours and progress bars are removed, so more may come than is kept."""
PNG_BYTES = 6 * 2**20
"""Bytes of a picture, at most: both as it came and as it is written again."""


@dataclass(frozen=True)
class Item:
    """An output or file in a form that can be seen whole. ``label`` says where it came from; ``content`` is what would leave."""

    form: Form
    label: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class LeftOut:
    """An output or file that has no form in which it can leave, and why. For reviewers; never sent to the author."""

    what: str
    why: str


@dataclass(frozen=True)
class Canonical:
    """Outputs or a file in the forms that can be seen whole, in order, and what was left out."""

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...] = ()

    def as_twins(self) -> tuple[TwinItem, ...]:
        """The items as the link carries them, for reviewers to see beside the real ones."""
        return tuple(TwinItem(form=item.form, content=base64.b64encode(item.content).decode()) for item in self.items)


class NotAForm(ValueError):
    """Bytes that are not in a form that can be seen whole; the text says why and repeats nothing of them."""


@dataclass
class Allowance:
    """What is left to spend on one request. Every text and picture is paid for before any work on it, even if it is then left out."""

    characters: int = 16 * 2**20
    """Characters of texts and tables as they came."""
    pixels: int = 128_000_000

    def spend(self, characters: int = 0, pixels: int = 0) -> None:
        """Pay for a text or picture; raises NotAForm where too little is left, and then takes nothing."""
        if characters > self.characters or pixels > self.pixels:
            raise NotAForm("more than one request can carry; ask for it on its own")
        self.characters -= characters
        self.pixels -= pixels
