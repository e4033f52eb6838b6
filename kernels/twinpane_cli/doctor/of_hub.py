"""A hub's machine and folder."""

from collections.abc import Iterator
from pathlib import Path

from twinpane_ground.ports import Holder, holder
from twinpane_hub import audit, before_start, hub_database, sealing, second_factors, subjects
from twinpane_hub.settings import STORE, HubSettings, SettingsError, load
from twinpane_sandbox.limits import GIB, Limits

from . import disk, machine, network, packages
from .diagnosis import Diagnosis, fine, wrong

SECRET = ("", "cookie_secret", sealing.FILE, hub_database.FILE, STORE, second_factors.FILE, subjects.FILE, audit.FILE, "users")
"""What of the state folder nobody else may read, and itself."""
ROOM = GIB
"""Bytes that a hub should find free for its database and for workspaces."""


def looks(file: Path) -> Iterator[Diagnosis]:
    """All that is looked at, one after the other."""
    yield machine.linux()
    yield machine.sandbox()
    yield machine.control_groups(Limits())
    yield packages.versions()
    try:
        settings = load(file)
    except (SettingsError, OSError) as error:
        yield wrong("hub.toml", str(error), "correct it as the sentence says")
        return
    yield from (_look(look, settings) for look in before_start.LOOKS if look is not before_start.PORTS)
    runs = _runs(settings)
    for name, number, host in before_start.ports(settings):
        yield network.port(name, number, host, lambda _: runs)
    state = settings.state_folder
    yield disk.private("secret files", (state / name for name in SECRET))
    yield disk.encryption(state)
    yield disk.free_space(state, ROOM, "for the hub's database and the workspaces")


def _look(look: before_start.Look, settings: HubSettings) -> Diagnosis:
    try:
        look.at(settings)
    except before_start.ERRORS as error:
        said, _, remedy = str(error).rpartition(": ")
        return wrong(look.name, said or str(error), remedy if said else "do what the sentence says")
    return fine(look.name, look.fine)


def _runs(settings: HubSettings) -> bool:
    """Whether a hub listens at the hub's own port: then the others are its processes'."""
    by: Holder | None = holder(settings.hub_port)
    return by is not None and "twinpane_hub.app" in by.words
