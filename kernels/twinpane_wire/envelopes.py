"""The envelopes that messages travel in, which the switchboard rewrites, and the handshakes of both ends."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from twinpane_broker import Closed, SiteId

from .crossings import Catalogued, Outward, SessionCrossing
from .inward import Inward
from .types import ProjectId, UserName

__all__ = ["Challenge", "ForAgent", "FromAgent", "FromSite", "Joined", "Principal", "SiteHello", "SiteState", "ToPane", "ToSite", "Welcome"]


class Principal(Closed):
    """Who asks: stamped by the switchboard, never by the pane."""

    user: UserName
    project: ProjectId


class ToSite(Closed):
    """Pane to switchboard: a message for one site. ``n`` counts the session's messages to that site from 1, without gaps."""

    v: Literal[1] = 1
    site: SiteId
    n: Annotated[int, Field(ge=0)]
    """0 for messages that need no acknowledgement (``received``)."""
    body: Inward


class ForAgent(Closed):
    """Switchboard to agent."""

    v: Literal[1] = 1
    principal: Principal
    n: Annotated[int, Field(ge=0)]
    body: Inward


class FromAgent(Closed):
    """Agent to switchboard."""

    v: Literal[1] = 1
    body: Outward


class SiteState(Closed):
    """Switchboard to pane: a site of the project, whether its agent is connected, and its catalogue once known."""

    v: Literal[1] = 1
    kind: Literal["site"] = "site"
    site: SiteId
    title: Annotated[str, StringConstraints(max_length=300)] = ""
    online: bool
    catalogued: Catalogued | None = None


class Welcome(Closed):
    """Switchboard to pane, first: who the hub says you are, and the project's sites."""

    v: Literal[1] = 1
    kind: Literal["welcome"] = "welcome"
    principal: Principal
    sites: tuple[SiteState, ...]


class FromSite(Closed):
    """Switchboard to pane: a crossing of one site. How a project stands at a site is for the hub, not for panes."""

    v: Literal[1] = 1
    kind: Literal["crossing"] = "crossing"
    site: SiteId
    body: Annotated[Catalogued | SessionCrossing, Field(discriminator="kind")]


ToPane = Annotated[Welcome | SiteState | FromSite, Field(discriminator="kind")]


class Challenge(Closed):
    """Switchboard to agent, first: sign this nonce."""

    v: Literal[1] = 1
    kind: Literal["challenge"] = "challenge"
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SiteHello(Closed):
    """Agent to switchboard: the hub's address as dialled, the site's key, its signature (``hello_message``), the first visit's token."""

    v: Literal[1] = 1
    kind: Literal["hello"] = "hello"
    hub: Annotated[str, StringConstraints(max_length=300)]
    site: SiteId
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
    token: Annotated[str, StringConstraints(max_length=200)] = ""


class Joined(Closed):
    """Switchboard to agent: the link stands; these projects name the site."""

    v: Literal[1] = 1
    kind: Literal["joined"] = "joined"
    projects: tuple[ProjectId, ...]
