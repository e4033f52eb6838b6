"""The store of the network: one current state, changed whole or not at all, by one after the other."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from twinpane_broker import Closed
from twinpane_ground import mistakes
from twinpane_hub.projects import Directory, ProjectsError

from .database import StoreError, opened, plain, writing
from .from_sites import forget
from .proposals import proposal
from .schema import CHANGES, DECLARED, REVISION
from .wording import differences

FRESH_S = 0.5
"""Seconds for which a state that was read is taken for the current one."""
KINDS = ("projects", "sites")

Change = Callable[[Directory], Directory]
"""The network that shall be, from the one that is. Raises ProjectsError where it may not be."""


class Changed(Closed):
    """One thing that somebody changed, in words."""

    at: datetime
    who: str
    what: str


class NetworkStore:
    """The network as of now. Call it for the current state: after a failed look the last good one, and ``problem`` says why."""

    def __init__(
        self, url: str, clock: Callable[[], float] = time.monotonic, noted: Callable[[str, tuple[str, ...]], None] = lambda *_: None
    ) -> None:
        """Open the database and read it; raises StoreError. ``noted`` is told of each change: by whom, and what, in words."""
        self.engine: Engine = opened(url)
        self.problem: str | None = None
        self._clock = clock
        self._noted = noted
        self._looked, self._number, self._directory = self._clock(), -1, Directory()
        self._look()

    def __deepcopy__(self, _memo: object) -> "NetworkStore":
        """The same store: JupyterHub copies its configuration."""
        return self

    def __call__(self) -> Directory:
        """The current network."""
        if self._clock() - self._looked >= FRESH_S:
            self._looked = self._clock()
            try:
                self._look()
                self.problem = None
            except StoreError as error:
                self.problem = str(error)
        return self._directory

    def change(self, who: str, how: Change) -> tuple[str, ...]:
        """Make the network what ``how`` says, in one transaction; what changed, in words. Raises ProjectsError and StoreError."""
        try:
            with writing(self.engine) as connection:
                # Taken first: whoever else changes something waits here, and then sees what this one did.
                connection.execute(update(REVISION).values(number=REVISION.c.number + 1))
                before = _read(connection)
                after = checked(how(before))
                words = differences(before, after)
                if words:
                    _write(connection, before, after)
                    _record(connection, who, words)
        except SQLAlchemyError as error:
            raise StoreError(f"nothing was changed, because the hub's store cannot be written: {plain(error)}") from None
        self._looked = -FRESH_S
        self._noted(who, words)
        return words

    def note(self, who: str, words: str) -> tuple[str, ...]:
        """Record what was changed elsewhere. Raises StoreError."""
        try:
            with writing(self.engine) as connection:
                _record(connection, who, (words,))
        except SQLAlchemyError as error:
            raise StoreError(f"the hub's store cannot be written: {plain(error)}") from None
        self._noted(who, (words,))
        return (words,)

    def changes(self, most: int) -> list[Changed]:
        """The last changes, newest first. Raises StoreError."""
        wanted = select(CHANGES.c.at, CHANGES.c.who, CHANGES.c.what).order_by(CHANGES.c.number.desc()).limit(most)
        try:
            with self.engine.begin() as connection:
                return [Changed(at=at.replace(tzinfo=UTC), who=who, what=what) for at, who, what in connection.execute(wanted)]
        except SQLAlchemyError as error:
            raise StoreError(f"the hub's store cannot be read: {plain(error)}") from None

    def _look(self) -> None:
        try:
            with self.engine.begin() as connection:
                number = connection.execute(select(REVISION.c.number)).scalar_one()
                if number != self._number:
                    self._directory, self._number = _read(connection), number
        except SQLAlchemyError as error:
            raise StoreError(f"the hub's store cannot be read: {plain(error)}") from None


def checked(directory: Directory) -> Directory:
    """The same, with all rules asked, also what a site may be asked for: a copy with changes has not been. Raises ProjectsError."""
    try:
        found = Directory.model_validate(directory.model_dump(warnings=False))
        for name, project in found.projects.items():
            proposal(name, project)
        return found
    except ValidationError as error:
        mistake = mistakes.first(error)
        raise ProjectsError(f"{'.'.join(map(str, mistake.location))}: {mistake.text}" if mistake.location else mistake.text) from None


def _record(connection: Connection, who: str, words: Iterable[str]) -> None:
    at = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    connection.execute(insert(CHANGES), [{"at": at, "who": who, "what": line} for line in words])


def _read(connection: Connection) -> Directory:
    found: dict[str, dict[str, object]] = {kind: {} for kind in KINDS}
    everything = select(DECLARED.c.kind, DECLARED.c.name, DECLARED.c.document).order_by(DECLARED.c.kind, DECLARED.c.name)
    for kind, name, document in connection.execute(everything):
        found[kind][name] = document
    try:
        return Directory.model_validate(found)
    except ValidationError as error:
        raise StoreError(f"the hub's store holds what no network can be: {mistakes.first(error)}") from None


def _write(connection: Connection, before: Directory, after: Directory) -> None:
    was, shall = before.model_dump(mode="json", exclude_defaults=True), after.model_dump(mode="json", exclude_defaults=True)
    for kind in KINDS:
        old, new = was.get(kind, {}), shall.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name):
                continue
            connection.execute(delete(DECLARED).where(DECLARED.c.kind == kind, DECLARED.c.name == name))
            if name in new:
                connection.execute(insert(DECLARED).values(kind=kind, name=name, document=new[name]))
            elif kind == "sites":
                forget(connection, name)
