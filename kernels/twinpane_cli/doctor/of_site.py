"""A site's machine and folder."""

from collections.abc import Iterator
from pathlib import Path

from twinpane_ground.ports import Holder
from twinpane_sandbox.limits import MIB, Limits
from twinpane_site import keys, same_machine
from twinpane_site.brokers import FOLDER as BROKER
from twinpane_site.config import KEYS, Site, load_site
from twinpane_site.db import FILE as DATABASE
from twinpane_site.errors import SiteError
from twinpane_site.instance_lock import FILE as LOCK
from twinpane_site.instance_lock import only_one
from twinpane_site.policy_words import remarks

from . import disk, machine, network, packages
from .diagnosis import Diagnosis, fine, warning, wrong

SECRET = (KEYS, f"{KEYS}/{keys.PRIVATE}", DATABASE, BROKER, "snapshots", "held", "review", "projects")
"""What of the folder nobody else may read."""


def looks(folder: Path) -> Iterator[Diagnosis]:
    """All that is looked at, one after the other."""
    site, policy = _settings(folder)
    yield machine.linux()
    yield machine.sandbox()
    yield machine.control_groups(site.policy.session.limits if site else Limits())
    yield packages.versions()
    yield policy
    if not folder.is_dir():
        return
    yield _key(folder)
    yield disk.private("secret files", (folder / name for name in SECRET))
    yield disk.encryption(folder)
    if site is None:
        return
    need = site.policy.held.keep_free_mb + site.policy.session.inbox_site_mb
    yield disk.free_space(folder, need * MIB, "[held] keep_free_mb and [session] inbox_site_mb")
    if site.config.review is not None:
        running = _running(folder)
        yield network.port("[review] port", site.config.review.port, site.config.review.host, lambda by: running and _ours(by))
    if site.config.hub is not None:
        yield network.clock(site.config.hub.url)
        yield _apart(site.config.hub.url)


def _settings(folder: Path) -> tuple[Site | None, Diagnosis]:
    try:
        site = load_site(folder)
    except SiteError as error:
        return None, wrong("site's files", str(error), "correct it as the sentence says")
    noted = remarks(site.policy)
    if noted:
        return site, warning("site's files", noted[0], f"read what `twinpane policy check {folder}` says of it")
    return site, fine("site's files", "site.toml, policy.toml and catalogue.toml can be used, and fit each other")


def _key(folder: Path) -> Diagnosis:
    try:
        keys.load(folder / KEYS)
    except SiteError as error:
        return wrong("key", str(error), "do what the sentence says; a key is never made anew")
    return fine("key", "it is there, and this user's alone")


def _running(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return False
    try:
        with only_one(folder):
            return False
    except SiteError:
        return True


def _ours(by: Holder) -> bool:
    return any("twinpane" in word for word in by.words)


def _apart(url: str) -> Diagnosis:
    if same_machine.on_this_machine(url):
        said, _, remedy = same_machine.WARNING.partition(". ")
        return warning("hub's machine", said, remedy)
    return fine("hub's machine", "the hub is on another machine")
