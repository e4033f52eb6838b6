"""The snapshot: a frozen copy of the data's approved tables and columns. Answers are computed from it, and ``/data`` shows it inside.

``snapshots/<name>/<table>.parquet``, named by the catalogue's ``snapshot``; ``freeze`` makes it.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twinpane_broker import Catalogue

from .config import Project
from .errors import StoreError

FOLDER = "snapshots"
VIEWS = "views"
"""Folders of links for projects that may see some of the tables."""


@dataclass(frozen=True)
class Snapshot:
    """A frozen state of the data: its name, its folder (what ``/data`` shows), and its files by table."""

    name: str
    folder: Path
    tables: Mapping[str, Path]


def snapshot_of(catalogue: Catalogue, folder: Path) -> Snapshot:
    """The snapshot that the catalogue of the site in ``folder`` names, whether it was made or not."""
    place = folder / FOLDER / catalogue.snapshot
    return Snapshot(catalogue.snapshot, place, {table.name: place / f"{table.name}.parquet" for table in catalogue.tables})


class ProjectData(Protocol):
    """The folders that are shown at ``/data``."""

    @property
    def whole(self) -> Path:
        """That of a project which may see every table."""

    def of(self, project: str) -> Path:
        """That of a project. Raises StoreError."""


class SnapshotData:
    """The folders of one snapshot. ``working`` gives the projects whose members may work."""

    def __init__(self, snapshot: Snapshot, working: Callable[[], Collection[Project]]) -> None:
        self._snapshot, self._working = snapshot, working

    @property
    def whole(self) -> Path:
        """That of a project which may see every table."""
        return self._snapshot.folder

    def of(self, project: str) -> Path:
        """That of a project. Raises StoreError."""
        found = next((one for one in self._working() if one.id == project), None)
        if found is None:
            raise StoreError(f"Project {project} has no data to show: nobody may work in it.")
        return project_folder(self._snapshot, found)


def project_folder(snapshot: Snapshot, project: Project) -> Path:
    """What ``/data`` shows to a project: the snapshot, or a folder of links to its approved tables. Raises StoreError."""
    if project.tables is None:
        return snapshot.folder
    home = snapshot.folder.parent.with_name(VIEWS) / snapshot.name
    place = home / project.id
    wanted = {f"{name}.parquet" for name in project.tables if name in snapshot.tables}
    temporary = home / f".{project.id}.{secrets.token_hex(4)}"
    if _links(place, snapshot.folder) == wanted:
        return place
    try:
        temporary.mkdir(mode=0o700, parents=True)
        for name in wanted:
            os.link(snapshot.folder / name, temporary / name)
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
    except OSError as error:
        raise StoreError(f"{place} cannot be made: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def project_folders(folder: Path, project: str) -> list[Path]:
    """The folders of links that were made for a project, of every snapshot."""
    return sorted((folder / VIEWS).glob(f"*/{project}"))


def _links(place: Path, target: Path) -> set[str] | None:
    """Names in ``place``, None unless each is the same file in ``target``."""
    try:
        names = set(os.listdir(place))
        return names if all((place / name).samefile(target / name) for name in names) else None
    except OSError:
        return None
