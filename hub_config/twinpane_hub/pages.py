"""The hub's pages: the home page lists a researcher's projects and a reviewer's pages, in JupyterHub's own look."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, Protocol

from jinja2 import Environment, FileSystemLoader
from traitlets.config import Config

from .projects import Directory

STALE = 60.0
"""Seconds after which the switchboard's note is too old to use."""


Account = Literal["", "here", "factor missing"]
"""Whether a person has an account of this hub's own, and whether it lacks a second factor that is demanded."""


class User(Protocol):
    """The signed-in user, as the hub passes it to our functions."""

    name: str
    escaped_name: str


class Hub(Protocol):
    """The hub, as its spawners know it."""

    base_url: str


class Spawning(Protocol):
    """A server that may be started, as the hub passes it to its pages."""

    name: str
    user: User
    hub: Hub


@dataclass(frozen=True)
class SiteView:
    """A site of a project, as the home page shows it."""

    name: str
    title: str
    online: bool | None
    """None where the switchboard does not say."""


@dataclass(frozen=True)
class ProjectView:
    """A project, as the home page shows it."""

    name: str
    title: str
    purpose: str
    sites: tuple[SiteView, ...]
    expires: date
    closed: str
    """Why nobody may work in it, in words; empty where its members may."""


def online(file: Path, now: float) -> frozenset[str] | None:
    """The sites that the switchboard noted as online; None where its note is missing, damaged or old. ``now`` is Unix time."""
    try:
        if now - file.stat().st_mtime > STALE:
            return None
        return frozenset(str(site) for site in json.loads(file.read_text("utf-8"))["online"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def projects_of(user: str, directory: Directory, present: frozenset[str] | None, today: date) -> list[ProjectView]:
    """A user's projects, running ones first."""
    views = [
        ProjectView(
            name, project.title, project.purpose,
            tuple(SiteView(s, directory.title(s), None if present is None else s in present) for s in project.sites),
            project.expires, project.closed(today),
        )
        for name, project in directory.of(user).items()
    ]  # fmt: skip
    return sorted(views, key=lambda view: bool(view.closed))


def configure(c: Config, here: Path, directory: Callable[[], Directory], file: Path, account: Callable[[str], Account]) -> None:
    """Set templates, logo, and the values that the templates use.

    ``file``: the switchboard's note of who is online. ``account`` says how it stands about a person's account here.
    """

    def listed(user: str) -> list[ProjectView]:
        return projects_of(user, directory(), online(file, time.time()), datetime.now(UTC).date())

    def projects(user: User | None) -> list[ProjectView]:
        """Called by the hub for every page, with the signed-in user or None."""
        return listed(user.name) if user else []

    def review_pages(user: User | None) -> list[tuple[str, str]]:
        """Called by the hub for every page."""
        if user is None:
            return []
        return [(site.title or name, site.review_url) for name, site in directory().sites.items() if site.review_url]

    def own_account(user: User | None) -> Account:
        """Called by the hub for every page."""
        return account(user.name) if user else ""

    environment = Environment(loader=FileSystemLoader(here / "templates"), autoescape=True)

    def form(spawner: Spawning) -> str:
        """Called for the spawn page. A project's server takes no options; without a project the page lists the projects to choose from."""
        if spawner.name:
            return ""
        user = spawner.user
        template = environment.get_template("projects.html")
        return template.render(projects=listed(user.name), user_name=user.escaped_name, base_url=spawner.hub.base_url)

    c.JupyterHub.template_paths = [str(here / "templates")]
    c.JupyterHub.template_vars = {"twinpane_projects": projects, "twinpane_review_pages": review_pages, "twinpane_account": own_account}
    c.JupyterHub.logo_file = str(here / "templates" / "logo.svg")
    c.JupyterHub.default_url = "/hub/home"
    c.Spawner.options_form = form
