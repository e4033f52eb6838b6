"""The projects of a site, each as the latest act of its steward left it. This is the one place that says who may work with what.

An act is one at the steward's pages, one at the terminal, or an edit of site.toml, which is taken in at the next start: what it lists new
or otherwise than at the start before is accepted so, and what it lists no more is suspended. So the latest act counts, wherever it was
done, and a start undoes nothing that was done elsewhere. Every act has its line in the ledger, in the transaction that carries it out.
"""

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from sqlite3 import Connection
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from twinpane_broker import Closed
from twinpane_ground import limits
from twinpane_wire.messages import Decline, ProjectState, Sha256, Standing, TableScope, UserName

from .config import Project, SiteConfig
from .db import Database
from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent

MIGRATIONS = (
    """
    CREATE TABLE project (id TEXT PRIMARY KEY, body TEXT NOT NULL, changed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE declared_project (id TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
)
_NAMES: TypeAdapter[tuple[str, ...]] = TypeAdapter(Annotated[tuple[UserName, ...], Field(max_length=limits.PEOPLE)])
BY_HAND = "site.toml"
"""Who did it, in the ledger, where an edit of site.toml did."""
_AFTER: dict[ProjectState | None, frozenset[ProjectState]] = {
    None: frozenset({ProjectState.accepted, ProjectState.declined}),
    ProjectState.declined: frozenset({ProjectState.accepted, ProjectState.declined}),
    ProjectState.accepted: frozenset({ProjectState.accepted, ProjectState.suspended, ProjectState.ended}),
    ProjectState.suspended: frozenset({ProjectState.accepted, ProjectState.suspended, ProjectState.ended}),
    ProjectState.ended: frozenset(),
}
"""What may follow on what. Nothing follows on an end: what members had inside is deleted after it."""


class ProjectError(SiteError):
    """The project is not in a state that this follows on; nothing was changed."""


class Kept(Closed):
    """A project as the site keeps it. ``until``: the last day; ``proposal``: the digest of the hub's proposal that the steward had read."""

    project: Project
    state: ProjectState
    proposal: Sha256 | None = None
    decline: Decline | None = None
    until: date | None = None

    def works(self, today: date) -> bool:
        """Whether its members may work today."""
        return self.state is ProjectState.accepted and (self.until is None or today <= self.until)

    @property
    def standing(self) -> Standing:
        """What the hub is told of it."""
        told = {"project": self.project.id, "proposal": self.proposal, "state": self.state}
        if self.state in (ProjectState.declined, ProjectState.ended):
            return Standing.model_validate({**told, "decline": self.decline})
        tables = None if self.project.tables is None else tuple(TableScope(table=name) for name in self.project.tables)
        return Standing.model_validate({**told, "researchers": self.project.members, "tables": tables, "until": self.until})


class Projects:
    """The projects of one site folder. Several processes may have it open; each sees what the others did at once.

    ``beside``: projects of this run alone, which are in no record.
    """

    def __init__(self, db: Database, ledger: Ledger, clock: Callable[[], datetime], beside: Collection[Project] = ()) -> None:
        self._db, self._ledger, self._clock = db, ledger, clock
        self._beside = tuple(Kept(project=project, state=ProjectState.accepted) for project in beside)
        self._read: tuple[int, dict[str, Kept]] = (-1, {})
        db.migrate("project", MIGRATIONS)

    # ------------------------------------------------------------ what is so

    def all(self) -> tuple[Kept, ...]:
        """Every project that a steward decided on, by id."""
        return tuple(self._known().values())

    def get(self, name: str) -> Kept | None:
        """The project of that id; None where no steward decided on one."""
        return self._known().get(name)

    def today(self) -> date:
        """The day that last days are compared with, in UTC."""
        return self._clock().date()

    def working(self) -> tuple[Project, ...]:
        """The projects whose members may work today."""
        today = self.today()
        return tuple(kept.project for kept in self.all() if kept.works(today))

    def admitted(self, user: str, project: str) -> Project | None:
        """The project, if this user may work in it today."""
        kept = self.get(project)
        return kept.project if kept is not None and kept.works(self.today()) and kept.project.admits(user) else None

    def admits(self, user: str, project: str) -> bool:
        """Whether this user may work in this project today."""
        return self.admitted(user, project) is not None

    def members(self) -> list[tuple[str, str]]:
        """Who may work today, as (user, project)."""
        return [(user, project.id) for project in self.working() for user in project.members]

    def ended(self, before: datetime) -> list[str]:
        """The projects that ended before a time."""
        sql = "SELECT id FROM project JOIN ledger ON seq = changed WHERE time < ? AND project.body ->> '$.state' = ? ORDER BY id"
        rows = self._db.rows(sql, (before.astimezone(UTC).isoformat(timespec="microseconds"), ProjectState.ended.value))
        return [row["id"] for row in rows]

    def _known(self) -> dict[str, Kept]:
        if self._db.in_transaction:  # it may be undone, and another act then bears the number that it had
            return self._all()
        row = self._db.row("SELECT coalesce(max(changed), 0) n FROM project")
        version = row["n"] if row else 0
        if version != self._read[0]:
            self._read = version, self._all()
        return self._read[1]

    def _all(self) -> dict[str, Kept]:
        return {**self._recorded(), **{one.project.id: one for one in self._beside}}

    def _recorded(self) -> dict[str, Kept]:
        """Those of the record. Acts are on these: what a run alone brings along is no project that the site has."""
        kept = (Kept.model_validate_json(row["body"]) for row in self._db.rows("SELECT body FROM project ORDER BY id"))
        return {one.project.id: one for one in kept}

    # ------------------------------------------------------------ acts

    def put(self, kept: Kept, by: str) -> None:
        """Have a project be so from now on. Raises ProjectError where that does not follow on what it is."""
        with self._db.transaction() as connection:
            self._put(connection, kept, by)

    def change(self, name: str, by: str, **what: object) -> Kept:
        """Change parts of a project that is there (see ``Kept``). Raises ProjectError."""
        with self._db.transaction() as connection:
            known = self._recorded().get(name)
            if known is None:
                raise ProjectError(f"This site has decided on no project {name}.")
            kept = Kept.model_validate({**dict(known), **what})
            if kept == known:
                raise ProjectError(f"Project {name} is so already; nothing was changed.")
            self._put(connection, kept, by)
            return kept

    def suspend(self, name: str, by: str) -> Kept:
        """Let nobody work in it until it goes on: open sessions end. Raises ProjectError."""
        return self.change(name, by, state=ProjectState.suspended)

    def go_on(self, name: str, by: str) -> Kept:
        """Let the members of a suspended project work again. Raises ProjectError."""
        known = self._recorded().get(name)
        if known is None or known.state is not ProjectState.suspended:
            raise ProjectError(f"Project {name} is not suspended.")
        return self.change(name, by, state=ProjectState.accepted)

    def end(self, name: str, by: str) -> Kept:
        """End it for good: open sessions end, and what its members had inside is deleted later. Raises ProjectError."""
        return self.change(name, by, state=ProjectState.ended)

    def set_members(self, name: str, members: Collection[str], by: str) -> Kept:
        """Say anew who may work in a project. Raises ProjectError."""
        known = self._recorded().get(name)
        if known is None or known.state not in (ProjectState.accepted, ProjectState.suspended):
            raise ProjectError(f"This site has not accepted a project {name}, so it has no members to change.")
        try:
            names = _NAMES.validate_python(tuple(members))
        except ValidationError:
            raise ProjectError("A name has letters, digits and ._@- only; nothing was changed.") from None
        return self.change(name, by, project=known.project.model_copy(update={"members": tuple(dict.fromkeys(names))}))

    def declare(self, projects: Collection[Project]) -> None:
        """Take in what site.toml lists, where it lists otherwise than at the last start. Raises ProjectError."""
        with self._db.transaction() as connection:
            before = {row["id"]: row["digest"] for row in connection.execute("SELECT id, digest FROM declared_project")}
            for project in projects:
                if before.pop(project.id, None) == project.digest():
                    continue
                known = self._recorded().get(project.id)
                if known is None or known.project != project or known.state is not ProjectState.accepted:
                    proposal, until = (known.proposal, known.until) if known else (None, None)
                    self._put(connection, Kept(project=project, state=ProjectState.accepted, proposal=proposal, until=until), BY_HAND)
                connection.execute("INSERT OR REPLACE INTO declared_project VALUES (?, ?)", (project.id, project.digest()))
            for name in before:
                known = self._recorded().get(name)
                if known is not None and known.state is ProjectState.accepted:
                    self._put(connection, known.model_copy(update={"state": ProjectState.suspended}), BY_HAND)
                connection.execute("DELETE FROM declared_project WHERE id = ?", (name,))

    def _put(self, connection: Connection, kept: Kept, by: str) -> None:
        name = kept.project.id
        known = self._recorded().get(name)
        before = known.state if known else None
        if kept.state not in _AFTER[before]:
            raise ProjectError(f"Project {name} is {before.value if before else 'not accepted'} here, so it cannot be {kept.state.value}.")
        kept.standing  # noqa: B018 - what could not be told of is not written either
        body = {"project": name, "state": kept.state.value, "by": by, "members": list(kept.project.members)}
        more = kept.model_dump(mode="json", include={"proposal", "decline", "until"}) | {"tables": kept.project.tables}
        body |= {key: value for key, value in more.items() if value is not None}
        entry = self._ledger.append(LedgerEvent.project, body, self._clock())
        connection.execute("INSERT OR REPLACE INTO project VALUES (?, ?, ?)", (name, kept.model_dump_json(), entry.seq))


def projects_of(
    db: Database, ledger: Ledger, config: SiteConfig, clock: Callable[[], datetime], beside: Collection[Project] = ()
) -> Projects:
    """The projects of a folder, with site.toml as it is now taken in. Raises SiteError."""
    projects = Projects(db, ledger, clock, beside)
    projects.declare(config.projects)
    return projects
