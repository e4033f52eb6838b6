"""The network that a hub serves: projects, their people and sites. Strict, and closed by default.

The hub's store keeps it (``twinpane_hub.network``). The same in TOML, ``[projects.ID]`` and ``[sites.ID]`` sections, is ``network.toml``.
An unknown key, an unlisted site in a project or an invalid member's name is an error, which names the section, the key and the remedy.
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from twinpane_broker import Closed, Identifier, SiteId, Text
from twinpane_ground import limits, strict_toml
from twinpane_wire.messages import Sha256, UserName

ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
"""A project's id. It is also the name of the researcher's server, hence at most 30 characters."""
PublicKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{1,400}$")]


Title = Annotated[str, StringConstraints(min_length=1, max_length=300)]
LongText = Annotated[str, StringConstraints(max_length=limits.PURPOSE)]
Bits = Annotated[float, Field(ge=0, le=1e9)]
State = Literal["open", "suspended", "ended"]
"""How the hub holds a project. Whether a site takes part is for the site to say (``twinpane_hub.network.life``)."""


class ProjectsError(ValueError):
    """What is said of the network cannot be used; the message names the place and the remedy."""


class NoSuch(ProjectsError):
    """There is no project, site or person of that name."""


class NotAdmitted(Exception):
    """Someone may not enter a project; the message is fit to show."""


class HubSilent(NotAdmitted):
    """The hub does not say whether someone may enter: no answer is no refusal of who is in already."""


class Project(Closed):
    """What a project asks for, of whom, and for how long. Each site decides on its own what of it it accepts."""

    title: Title
    purpose: LongText = ""
    legal_basis: LongText = ""
    sites: Annotated[tuple[SiteId, ...], Field(min_length=1)]
    members: tuple[UserName, ...]
    """Who may work in it, as far as the hub is concerned. Each site lists for itself whom it lets in."""
    reviewers: tuple[UserName, ...] = ()
    """Who is to review its exports. Each site's policy says who does."""
    tables: dict[Identifier, tuple[Identifier, ...]] = {}
    """Tables asked for, each with its columns; a table without columns is asked for whole."""
    day_bits: Bits | None = None
    total_bits: Bits | None = None
    """Budgets of the meter asked for, for each person; None: as each site's policy says."""
    expires: date
    state: State = "open"

    @model_validator(mode="after")
    def _each_is_named_once(self) -> Self:
        columns = ((f"table {table}", "column", names) for table, names in self.tables.items())
        for where, what, names in (
            ("it", "site", self.sites),
            ("it", "member", self.members),
            ("it", "reviewer", self.reviewers),
            *columns,
        ):
            if twice := _twice(names):
                raise ValueError(f"{where} names {what} {twice} twice")
        return self

    def closed(self, today: date) -> str:
        """Why nobody may work in the project, in words; empty where its members may."""
        if self.state == "ended":
            return "has ended"
        if today > self.expires:
            return f"ended on {self.expires}"
        return "is suspended" if self.state == "suspended" else ""


class Site(Closed):
    """A site as the outside knows it. It has no address, because it dials out; ``review_url`` is where its review pages are."""

    title: Text = ""
    review_url: Url | None = None
    token_sha256: Sha256 | None = None
    """SHA-256 of the one-time token of the site's first visit."""
    token_ends: AwareDatetime | None = None
    """When that token expires, if it does."""
    public_key: PublicKey | None = None
    """The site's Ed25519 key, if the administrator wrote it down; otherwise the first visit pins it."""

    def refuses_token(self, token: str, now: datetime) -> str:
        """Why a token is not the one-time token, in words; empty where it is. Tokens are random, so a plain hash is enough."""
        if self.token_sha256 is None or not hmac.compare_digest(token_hash(token), self.token_sha256):
            return "is wrong"
        return f"expired on {self.token_ends:%Y-%m-%d %H:%M} UTC" if self.token_ends is not None and now > self.token_ends else ""


class Directory(Closed):
    """All projects and sites of a hub."""

    projects: dict[ProjectName, Project] = {}
    sites: dict[SiteId, Site] = {}

    @model_validator(mode="after")
    def _sites_are_listed(self) -> Self:
        for name, project in self.projects.items():
            if project.state == "ended":
                continue
            unlisted = [site for site in project.sites if site not in self.sites]
            if unlisted:
                raise ValueError(f"project {name} names site {unlisted[0]}, which has no section [sites.{unlisted[0]}]")
        return self

    def admit(self, user: str, project: str, today: date) -> Project:
        """The project, if the user is a member and it is open; else raises NotAdmitted, which tells non-members nothing of it."""
        found = self.projects.get(project)
        if found is None or user not in found.members:
            raise NotAdmitted(f"there is no project {project!r} that you are a member of: ask the hub's administrator to add you")
        if why_not := found.closed(today):
            raise NotAdmitted(f"project {project!r} {why_not}: ask the hub's administrator")
        return found

    def of(self, user: str) -> dict[str, Project]:
        """The projects that list the user, closed ones included."""
        return {name: project for name, project in self.projects.items() if user in project.members}

    def title(self, site: str) -> str:
        """What people read of a site; its id where it has no title, or is no site of the network any more."""
        return (self.sites[site].title if site in self.sites else "") or site

    def projects_of_site(self, site: str) -> tuple[str, ...]:
        """The open projects that name the site."""
        return tuple(name for name, project in self.projects.items() if site in project.sites and project.state == "open")


def load(path: Path) -> Directory:
    """The network of a file; raises ProjectsError."""
    return strict_toml.read(path, Directory, ProjectsError)


def token_hash(token: str) -> str:
    """The SHA-256 of a one-time token, as it is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def _twice(names: Iterable[str]) -> str:
    """The first name that comes a second time; empty where there is none."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), "")  # type: ignore[func-returns-value]
