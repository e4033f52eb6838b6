"""The small types that messages are made of: ids, names, paths, digests, the forms of what is exported."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from twinpane_ground import limits

__all__ = [
    "Base64", "CallNumber", "CellNumber", "Form", "MessageId", "Path", "ProjectId", "RequestId", "SessionId", "Sha256", "UserName",
    "WrittenName",
]  # fmt: skip

SessionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ProjectId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
WrittenName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,80}$")]
"""A person's name as it stands in something signed."""
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,80}$", to_lower=True)]
"""A person's name, always in small letters: the hub's names are, and ``Mia@Hospital.ORG`` is nobody else than ``mia@hospital.org``."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MessageId = Annotated[str, StringConstraints(max_length=200)]
CellNumber = Annotated[int, Field(ge=1, le=10**7)]
CallNumber = Annotated[int, Field(ge=1, le=limits.CALLS)]


class Form(StrEnum):
    """The forms that may be exported, each of which can be seen whole. The form gives the extension of an item's file."""

    text = "text"
    csv = "csv"
    png = "png"

    @property
    def ending(self) -> str:
        """The extension of the file's name, without the dot."""
        return "txt" if self is Form.text else self.value


def _below(path: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("a path of the workspace is relative and stays below it")
    return path


Path = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\\]{1,240}$"), AfterValidator(_below)]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=limits.FRAME)]
