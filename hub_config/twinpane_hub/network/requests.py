"""What administrators may send: the bodies of the API and the forms of the pages, as closed types."""

from datetime import date
from typing import Annotated

from pydantic import Field

from twinpane_broker import Closed, Identifier, SiteId
from twinpane_hub.projects import Bits, LongText, Project, ProjectName, PublicKey, Site, State, Title, Url
from twinpane_wire.messages import UserName


class NewProject(Project):
    """A project to propose."""

    id: ProjectName

    def project(self) -> Project:
        """The project without its id."""
        return Project.model_validate(self.model_dump(exclude={"id"}))


class ProjectChange(Closed):
    """What of a project changes: only the fields that are given."""

    title: Title = ""
    purpose: LongText = ""
    legal_basis: LongText = ""
    sites: tuple[SiteId, ...] = ()
    members: tuple[UserName, ...] = ()
    reviewers: tuple[UserName, ...] = ()
    tables: dict[Identifier, tuple[Identifier, ...]] = {}
    day_bits: Bits | None = None
    total_bits: Bits | None = None
    expires: date = date.max
    state: State = "open"


class NewSite(Closed):
    """A site to add."""

    id: SiteId
    title: Annotated[str, Field(max_length=300)] = ""
    review_url: Url | None = None
    public_key: PublicKey | None = None

    def site(self) -> Site:
        """The site without its id."""
        return Site.model_validate(self.model_dump(exclude={"id"}))


class SiteChange(Closed):
    """What of a site changes: only the fields that are given."""

    title: Annotated[str, Field(max_length=300)] = ""
    review_url: Url | None = None
    public_key: PublicKey | None = None


class Invitation(Closed):
    """For how many days a one-time token is to be good."""

    days: Annotated[int, Field(ge=1, le=90)] = 7
