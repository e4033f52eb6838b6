"""The messages of the link, as frozen types. What is not one of these does not cross.

``Inward`` goes from a pane through the switchboard to a site's agent: outside to inside is free. ``Outward`` is the closed list
of crossings of the promise: nothing else can leave a site. Each message lives in an envelope that the switchboard rewrites:
the pane names the site, the agent is told the principal (user and project) by the hub.
"""

from .code import Outcome
from .codec import WireError, decode, encode
from .crossings import (
    CROSSINGS,
    Catalogued,
    Export,
    ExportedItem,
    ExportState,
    Link,
    LinkCode,
    Outward,
    Released,
    Reveal,
    SessionCrossing,
    Verdict,
    crossing_id,
)
from .envelopes import Challenge, ForAgent, FromAgent, FromSite, Joined, Principal, SiteHello, SiteState, ToPane, ToSite, Welcome
from .inward import (
    Answer,
    Cell,
    Close,
    Comm,
    ExportAsk,
    ExportItem,
    Input,
    Interrupt,
    Inward,
    Open,
    Query,
    Received,
    RevealAsk,
    Twin,
    TwinItem,
    WorkspaceFile,
)
from .types import Base64, CallNumber, CellNumber, MessageId, Path, ProjectId, RequestId, SessionId, Sha256, UserName

VERSION = 1

__all__ = [
    "CROSSINGS",
    "VERSION",
    "Answer",
    "Base64",
    "CallNumber",
    "Catalogued",
    "Cell",
    "CellNumber",
    "Challenge",
    "Close",
    "Comm",
    "Export",
    "ExportAsk",
    "ExportItem",
    "ExportState",
    "ExportedItem",
    "ForAgent",
    "FromAgent",
    "FromSite",
    "Input",
    "Interrupt",
    "Inward",
    "Joined",
    "Link",
    "LinkCode",
    "MessageId",
    "Open",
    "Outcome",
    "Outward",
    "Path",
    "Principal",
    "ProjectId",
    "Query",
    "Received",
    "Released",
    "RequestId",
    "Reveal",
    "RevealAsk",
    "SessionCrossing",
    "SessionId",
    "Sha256",
    "SiteHello",
    "SiteState",
    "ToPane",
    "ToSite",
    "Twin",
    "TwinItem",
    "UserName",
    "Verdict",
    "Welcome",
    "WireError",
    "WorkspaceFile",
    "crossing_id",
    "decode",
    "encode",
]
