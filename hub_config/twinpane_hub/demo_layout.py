"""What the demo's folder holds: settings, accounts, the network, sites. It is written once; a later start changes only ports."""

import json
import secrets
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import tomlkit

from twinpane_ground import atomic

from . import accounts, demo_ports
from .network import life
from .network.store import NetworkStore
from .projects import Directory, Project, Site, token_hash
from .settings import load

PEOPLE: dict[str, tuple[accounts.Group, ...]] = {
    "researcher": ("researcher",), "researcher2": ("researcher",), "reviewer-a": ("reviewer",), "reviewer-b": ("reviewer",),
    "steward": ("steward",), "admin": ("admin",),
}  # fmt: skip
RESEARCHERS = ("researcher", "researcher2")
REVIEWERS = ("reviewer-a", "reviewer-b")


@dataclass(frozen=True)
class DemoSite:
    """One of the demo's hospitals."""

    id: str
    title: str
    mix: str
    seed: int


SITES = (
    DemoSite("metro", "Metro General Hospital", "metro", 1),
    DemoSite("valley", "Valley Clinic", "valley", 2),
    DemoSite("coast", "Coast Hospital", "coast", 3),
)
TRIAL = "trial"
PROJECTS: dict[str, dict[str, str]] = {
    "first": {"title": "First look", "purpose": "Learn how Twinpane works, on generated patients of three hospitals."},
    "actg175": {"title": "ACTG 175", "purpose": "A trial of HIV treatment with 2,139 real people, split over three hospitals."},
}


@dataclass(frozen=True)
class Layout:
    """The demo's folder."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "demo.json"

    @property
    def settings(self) -> Path:
        return self.folder / "hub.toml"

    @property
    def passwords(self) -> Path:
        return self.folder / "accounts.txt"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def data(self, site: DemoSite) -> Path:
        return self.folder / "data" / site.id

    def site(self, site: DemoSite) -> Path:
        return self.folder / "sites" / site.id


@dataclass(frozen=True)
class Known:
    """The demo's ports, tokens and secrets, kept from one start to the next."""

    port: int
    ports: dict[str, int]
    tokens: dict[str, str]
    """One-time tokens for the sites' first visit."""
    review: dict[str, str]
    """The secrets with which the sites' review pages authenticate to the hub."""


def prepare(layout: Layout, port: int, proxy: list[str], notebooks: Path | None, today: date) -> Known:
    """Make the folder's files, or update existing ones to this start's ports."""
    layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = json.loads(layout.state.read_text("utf-8")) if layout.state.exists() else {}
    ids = tuple(site.id for site in SITES)
    ports = demo_ports.choose(port, ids, before.get("ports", {}))
    tokens = before.get("tokens") or {site: secrets.token_urlsafe(32) for site in ids}
    review = before.get("review") or {site: secrets.token_hex(32) for site in ids}
    known = Known(port, ports, tokens, review)
    atomic.write(layout.state, json.dumps({"ports": ports, "tokens": tokens, "review": review}, indent=1).encode())
    _write_settings(layout, known, proxy, notebooks)
    _keep_network(layout, known, today)
    if not layout.passwords.exists() or not (layout.folder / "accounts.toml").exists():
        _write_accounts(layout)
    return known


def _write_settings(layout: Layout, known: Known, proxy: list[str], notebooks: Path | None) -> None:
    settings = {
        "port": known.port, "hub_port": known.ports["hub"], "proxy_port": known.ports["proxy"],
        "switchboard_port": known.ports["switchboard"], "proxy": proxy, "die_with_parent": True,
        **({"notebooks": str(notebooks)} if notebooks else {}),
        "sign_in": {"kind": "local"}, "review": {site: {"token": token} for site, token in known.review.items()},
    }  # fmt: skip
    atomic.write(layout.settings, ("# Written by `twinpane demo` at every start.\n" + tomlkit.dumps(settings)).encode())


def review_url(known: Known, site: str) -> str:
    """The address of a site's review pages."""
    return f"http://127.0.0.1:{known.ports[site]}"


def _keep_network(layout: Layout, known: Known, today: date) -> None:
    """Fill the store once. Later change only the review pages' addresses, because people change the rest on the hub's pages."""
    settings = load(layout.settings)
    settings.state_folder.mkdir(mode=0o700, exist_ok=True)
    store = NetworkStore(settings.store_url)
    now = store()
    if not now.projects and not now.sites:
        expires = today.replace(day=1) + timedelta(days=370)
        now = Directory(
            projects={
                name: Project(title=about["title"], purpose=about["purpose"], sites=tuple(site.id for site in SITES),
                              members=RESEARCHERS, reviewers=REVIEWERS, expires=expires)
                for name, about in PROJECTS.items()
            },
            sites={site.id: Site(title=site.title, token_sha256=token_hash(known.tokens[site.id])) for site in SITES},
        )  # fmt: skip
    here = {
        site.id: now.sites[site.id].model_copy(update={"review_url": review_url(known, site.id)}) for site in SITES if site.id in now.sites
    }
    store.change("twinpane demo", life.declared(now.model_copy(update={"sites": {**now.sites, **here}})))


def _write_accounts(layout: Layout) -> None:
    passwords = {name: accounts.new_password() for name in PEOPLE}
    accounts.save(
        layout.folder / "accounts.toml",
        {name: accounts.Account(password=accounts.hashed(passwords[name]), groups=groups) for name, groups in PEOPLE.items()},
    )
    atomic.write(layout.passwords, "".join(f"{name:<14}{word}\n" for name, word in passwords.items()).encode())


def adjust_site(layout: Layout, site: DemoSite, known: Known) -> None:
    """Update a site's own file to this start's addresses; the first time, limit its projects to their tables."""
    path = layout.site(site) / "site.toml"
    document = tomlkit.parse(path.read_text("utf-8"))
    document["hub"]["url"] = f"ws://127.0.0.1:{known.ports['switchboard']}"
    document["review"]["port"] = known.ports[site.id]
    document["review"]["public_url"] = review_url(known, site.id)
    document["review"]["sign_in"] = "hub"  # one account for everything: to try it out on one machine
    catalogue = tomllib.loads((layout.site(site) / "catalogue.toml").read_text("utf-8"))
    tables = sorted(table["name"] for table in catalogue["tables"])  # a table of very few persons is not in it
    for project in document["projects"]:
        if "tables" not in project:
            wanted = [t for t in tables if (t == TRIAL) == (project["id"] == "actg175")]
            project["tables"] = wanted
    atomic.write(path, tomlkit.dumps(document).encode(), mode=None)
