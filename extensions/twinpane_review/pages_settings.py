"""The settings that the agent gives the process of the review pages at its start, as the agent itself read them."""

from typing import Annotated

from pydantic import Field

from twinpane_broker import Closed
from twinpane_wire.messages import ProjectId, UserName

from .model import ReviewPolicy


class PagesSettings(Closed):
    """One site's pages. A steward who edits the folder's files meanwhile changes nothing until the agent starts anew."""

    folder: str
    site: str
    title: str
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    public_url: str
    policy: ReviewPolicy
    members: tuple[tuple[UserName, ProjectId], ...]
    """Who may open sessions at the site, and in which project."""
    day_bits: float
    total_bits: float
    hub: str
    """The hub's address as browsers know it; empty: only the site's own accounts sign in."""
    hub_api: str
    """Where this machine reaches it; empty: the same."""
    client_id: str
    client_secret: Annotated[str, Field(repr=False)]
