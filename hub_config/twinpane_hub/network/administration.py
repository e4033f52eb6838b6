"""What administrators can do, once for all their ways to it: the pages, the API. Each act says who asks, and raises what is fit to show."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from twinpane_broker import Closed
from twinpane_hub import accounts, disabled
from twinpane_hub.pages import online
from twinpane_hub.projects import Directory, NoSuch, ProjectsError
from twinpane_hub.settings import HubSettings
from twinpane_hub.switchboard.catalogue_store import PinnedKeys

from . import from_sites, life
from .overview import ProjectRow, SiteRow, project_row, project_rows, site_rows
from .requests import Invitation, NewProject, NewSite, ProjectChange, SiteChange
from .store import Change, Changed, NetworkStore, checked
from .wording import differences

MOST_CHANGES = 200


class Done(Closed):
    """What changed, in words; nothing where it was so already."""

    done: tuple[str, ...]


class Plan(Closed):
    """What would change, in words."""

    plan: tuple[str, ...]


class Token(Closed):
    """A one-time token, which is shown once, and until when it is good."""

    token: str
    ends: datetime


class PersonRow(Closed):
    """A person, without anything that the person wrote or saw."""

    name: str
    roles: tuple[str, ...]
    shut_out: bool
    last_active: datetime | None
    servers: tuple[str, ...]
    """Projects in which a server of the person's runs."""
    projects: tuple[str, ...]


class Projects(Closed):
    """All projects."""

    projects: tuple[ProjectRow, ...]


class Sites(Closed):
    """All sites."""

    sites: tuple[SiteRow, ...]


class People(Closed):
    """All people."""

    people: tuple[PersonRow, ...]


class Changes(Closed):
    """The last changes of the network, newest first."""

    changes: tuple[Changed, ...]


class Users(Protocol):
    """The hub's people, as JupyterHub knows them."""

    def known(self) -> list[PersonRow]:
        """All that signed in before; whether they are shut out, and in which projects they are, is filled in here."""
        ...


class Administration:
    """The acts of one administrator. ``who``: the name, for the record."""

    def __init__(self, who: str, store: NetworkStore, settings: HubSettings, users: Users, clock: Callable[[], datetime]) -> None:
        self.who = who
        self._store = store
        self._settings = settings
        self._users = users
        self._clock = clock

    # ------------------------------------------------------------ what there is

    def network(self) -> Directory:
        """The network as a document, as ``network.toml`` has it."""
        return self._store()

    def projects(self) -> Projects:
        """Projects, with what each site answered."""
        return Projects(projects=project_rows(self._store(), from_sites.read(self._store.engine), self._clock().date()))

    def project(self, name: str) -> ProjectRow:
        """One project."""
        directory = self._store()
        heard = from_sites.read(self._store.engine)
        return project_row(name, life.project_of(directory, name), directory, heard, self._clock().date())

    def sites(self) -> Sites:
        """Sites, and how each stands."""
        here = online(self._settings.online_note, time.time())
        joined = PinnedKeys(self._settings.pins).sites()
        return Sites(sites=site_rows(self._store(), from_sites.read(self._store.engine), here, joined))

    def site(self, name: str) -> SiteRow:
        """One site."""
        life.site_of(self._store(), name)
        return next(row for row in self.sites().sites if row.id == name)

    def people(self) -> People:
        """Whoever signed in before, is named in a project, or is shut out."""
        directory, out = self._store(), disabled.load(self._settings.state_folder)
        known = {row.name: row for row in self._users.known()}
        named = {name for project in directory.projects.values() for name in (*project.members, *project.reviewers)}
        nobody = {"roles": (), "last_active": None, "servers": ()}
        return People(people=tuple(
            PersonRow.model_validate({
                **(known[name].model_dump() if name in known else nobody), "name": name, "shut_out": name in out,
                "projects": tuple(project for project, each in directory.projects.items() if name in (*each.members, *each.reviewers)),
            })
            for name in sorted({*known, *named, *out})
        ))  # fmt: skip

    def changes(self) -> Changes:
        """Who changed what."""
        return Changes(changes=tuple(self._store.changes(MOST_CHANGES)))

    # ------------------------------------------------------------ what is done

    def rehearse(self, wanted: NewProject) -> Plan:
        """What ``propose`` would change."""
        now = self._store()
        return Plan(plan=differences(now, checked(self._in_time(life.propose(wanted.id, wanted.project()))(now))))

    def change_people(self, name: str, what: str, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> Done:
        """Add people to a project, or take them out. ``what``: member or reviewer."""
        return self._done(life.change_people(name, **{f"add_{what}": add, f"remove_{what}": remove}))  # type: ignore[arg-type]

    def plan(self, wanted: Directory) -> Plan:
        """What ``apply`` would change."""
        now = self._store()
        return Plan(plan=differences(now, checked(self._in_time(life.declared(wanted), of_new=False)(now))))

    def apply(self, wanted: Directory) -> Done:
        """Make the network what a document says, whole or not at all."""
        return Done(done=self._store.change(self.who, self._in_time(life.declared(wanted), of_new=False)))

    def propose(self, wanted: NewProject) -> Done:
        """Propose a project to its sites."""
        return self._done(life.propose(wanted.id, wanted.project()))

    def change_project(self, name: str, wanted: ProjectChange) -> Done:
        """Change a project: people, sites, what is asked for, its last day; suspend, resume or end it."""
        return self._done(life.changed(name, {field: getattr(wanted, field) for field in wanted.model_fields_set}))

    def add_site(self, wanted: NewSite) -> Done:
        """Add a site."""
        return self._done(life.add_site(wanted.id, wanted.site()))

    def change_site(self, name: str, wanted: SiteChange) -> Done:
        """Change what is known of a site."""
        return self._done(life.amend_site(name, **{field: getattr(wanted, field) for field in wanted.model_fields_set}))

    def invite(self, name: str, wanted: Invitation) -> Token:
        """Make a one-time token for a site's first visit."""
        token, ends = life.new_token(self._clock(), wanted.days)
        self._done(life.invite(name, token, ends))
        return Token(token=token, ends=ends)

    def forget_key(self, name: str) -> Done:
        """Forget the key of a site's first visit, so that it joins again with a new token."""
        life.site_of(self._store(), name)
        found = PinnedKeys(self._settings.pins).forget(name)
        return Done(done=self._store.note(self.who, f"site {name}: forget the key of its first visit") if found else ())

    def remove_site(self, name: str) -> Done:
        """Take a site out of the network."""
        return self._done(life.remove_site(name))

    def shut_out(self, name: str) -> Done:
        """Let a person in no more: what is open ends within a minute."""
        if name == self.who:
            raise ProjectsError("you cannot shut yourself out: another administrator can")
        return self._shut(name, f"shut {name} out", lambda names: names | {name})

    def let_in(self, name: str) -> Done:
        """Let a person sign in again."""
        return self._shut(name, f"let {name} sign in again", lambda names: names - {name})

    def _shut(self, name: str, words: str, how: Callable[[frozenset[str]], frozenset[str]]) -> Done:
        if name not in {row.name for row in self.people().people}:
            raise NoSuch(f"nobody here has the name {name}")
        accounts.check_name(name)
        before = disabled.load(self._settings.state_folder)
        if how(before) == before:
            return Done(done=())
        disabled.change(self._settings.state_folder, how)
        return Done(done=self._store.note(self.who, words))

    def _done(self, how: Change) -> Done:
        return Done(done=self._store.change(self.who, self._in_time(how)))

    def _in_time(self, how: Change, *, of_new: bool = True) -> Change:
        return life.in_time(how, self._clock().date(), of_new=of_new)


def now() -> datetime:
    """The time that pages and API go by."""
    return datetime.now(UTC)
