"""Projects, their members and sites, read from a TOML file: strict, and closed by default.

A file holds ``[projects.ID]`` and ``[sites.ID]`` sections. What the file does not list does not exist. An unknown key, an unlisted site
in a project or an invalid member's name is an error, which names the section, the key and the remedy.
"""

import hashlib
import hmac
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker import Closed, SiteId, Text
from twinpane_ground import strict_toml
from twinpane_wire.messages import Sha256, UserName

ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
"""A project's id. It is also the name of the researcher's server, hence at most 30 characters."""
PublicKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{1,400}$")]


class ProjectsError(ValueError):
    """The projects file cannot be used; the message names file, key and remedy."""


class NotAdmitted(Exception):
    """Someone may not enter a project; the message is fit to show."""


class HubSilent(NotAdmitted):
    """The hub does not say whether someone may enter: no answer is no refusal of who is in already."""


class Project(Closed):
    """People, sites, purpose and expiry. Each site decides which tables a project may see."""

    title: Text
    purpose: Annotated[str, StringConstraints(max_length=4000)] = ""
    sites: Annotated[tuple[SiteId, ...], Field(min_length=1)]
    members: tuple[UserName, ...]
    expires: date


class Site(Closed):
    """A site as the outside knows it. It has no address, because it dials out; ``review_url`` is where its review pages are."""

    title: Text = ""
    review_url: Url | None = None
    token_sha256: Sha256 | None = None
    """SHA-256 of the one-time token of the site's first visit."""
    public_key: PublicKey | None = None
    """The site's Ed25519 key, if the administrator wrote it down; otherwise the first visit pins it."""

    def accepts_token(self, token: str) -> bool:
        """Whether ``token`` is the one-time token. Tokens are random, so a plain hash is enough."""
        return self.token_sha256 is not None and hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), self.token_sha256)


class Directory(Closed):
    """All projects and sites of a hub."""

    projects: dict[ProjectName, Project] = {}
    sites: dict[SiteId, Site] = {}

    @model_validator(mode="after")
    def _sites_are_listed(self) -> Self:
        for name, project in self.projects.items():
            unlisted = [site for site in project.sites if site not in self.sites]
            if unlisted:
                raise ValueError(f"project {name} names site {unlisted[0]}, which has no section [sites.{unlisted[0]}]")
        return self

    def admit(self, user: str, project: str, today: date) -> Project:
        """The project, if the user is a member and it has not expired; else raises NotAdmitted, which tells non-members nothing of it."""
        found = self.projects.get(project)
        if found is None or user not in found.members:
            raise NotAdmitted(f"there is no project {project!r} that you are a member of: ask the hub's administrator to add you")
        if today > found.expires:
            raise NotAdmitted(f"project {project!r} ended on {found.expires}: ask the hub's administrator to prolong it")
        return found

    def of(self, user: str) -> dict[str, Project]:
        """The projects that list the user, expired ones included."""
        return {name: project for name, project in self.projects.items() if user in project.members}

    def projects_of_site(self, site: str) -> tuple[str, ...]:
        """The projects that name the site."""
        return tuple(name for name, project in self.projects.items() if site in project.sites)


def load(path: Path) -> Directory:
    """The directory of a projects file; raises ProjectsError."""
    return strict_toml.read(path, Directory, ProjectsError)


class ProjectsFile:
    """The current projects file, read again when it changes. After a broken edit the last good state stays, and ``problem`` says why."""

    def __init__(self, path: Path) -> None:
        """Read the file for the first time; raises ProjectsError."""
        self._path = path
        self._stamp = self._stat()
        self._directory = load(path)
        self.problem: str | None = None

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def __call__(self) -> Directory:
        """The current directory."""
        stamp = self._stat()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._directory, self.problem = load(self._path), None
            except ProjectsError as error:
                self.problem = str(error)
        return self._directory
