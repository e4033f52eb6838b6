"""The settings that the agent gives the process of the review pages at its start, as the agent itself read them."""

from typing import Annotated

from pydantic import Field

from twinpane_broker import Closed, Identifier

from .model import ReviewPolicy

SIZE = 32 * 2**20
"""Bytes of them, at most; nearly all of it is names of columns."""


class PagesSettings(Closed):
    """One site's pages. A steward who edits the folder's files meanwhile changes nothing until the agent starts anew."""

    folder: str
    site: str
    title: str
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    public_url: str
    policy: ReviewPolicy
    published: dict[Identifier, tuple[Identifier, ...]]
    """The tables that the site publishes, with their columns."""
    day_bits: float
    total_bits: float
    hub: str
    """The hub's address as browsers know it; empty: only the site's own accounts sign in."""
    hub_api: str
    """Where this machine reaches it; empty: the same."""
    client_id: str
    client_secret: Annotated[str, Field(repr=False)]
