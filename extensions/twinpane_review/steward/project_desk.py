"""What stewards see of projects and do with them at the pages: what the hub proposed, what the site decided. Each act is checked here."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from twinpane_review.identity import Grant
from twinpane_review.policies import Denied
from twinpane_review.review import NotFound
from twinpane_site import acceptance
from twinpane_site.acceptance import Published
from twinpane_site.projects import Kept, ProjectError, Projects
from twinpane_site.proposal_inbox import Arrived, ProposalInbox
from twinpane_wire.messages import Decline, PersonRole, ProjectState, Standpoint


@dataclass(frozen=True)
class ProjectView:
    """One project: what the hub proposed, and what the site decided. One of the two is there at least."""

    name: str
    kept: Kept | None
    arrived: Arrived | None
    missing: tuple[str, ...] = ()
    """What is asked for and the site does not publish."""
    tables: Mapping[str, Collection[str]] = field(default_factory=dict)
    """What is asked for and can be given, each with the columns that are then given: all that the site publishes."""
    over: bool = False
    """Whether the last day that the hub proposes is over."""

    @property
    def goes_on(self) -> bool:
        """Whether the site has accepted it, and has not ended it since."""
        return self.kept is not None and self.kept.state in (ProjectState.accepted, ProjectState.suspended)

    @property
    def waits(self) -> bool:
        """Whether the hub proposed something that no steward decided on, or ended what goes on here."""
        if self.arrived is None or (self.kept is not None and self.kept.state is ProjectState.ended):
            return False
        if self.arrived.proposal.standpoint is Standpoint.ended:
            return self.goes_on
        if self.over:
            return False
        return self.kept is None or self.kept.proposal != self.arrived.digest

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the steward left out of the version that is accepted here, in words; nothing where another version was."""
        return tuple(self._left_out())

    def _left_out(self) -> Iterator[str]:
        if self.kept is None or self.arrived is None or not self.goes_on or self.kept.proposal != self.arrived.digest:
            return
        if people := [one for one in self.researchers if one not in self.kept.project.members]:
            yield f"researchers {', '.join(people)}"
        if tables := [one for one in self.tables if not self._has_table(one)]:
            yield f"tables {', '.join(tables)}"
        if self.kept.until is not None and self.kept.until < self.arrived.proposal.expires:
            yield f"days after {self.kept.until}"

    def ticks_person(self, name: str) -> bool:
        """Whether the form proposes to accept this researcher: everybody at first, then who is accepted."""
        return not self.goes_on or (self.kept is not None and name in self.kept.project.members)

    def ticks_table(self, name: str) -> bool:
        """Whether the form proposes to accept this table."""
        return not self.goes_on or self._has_table(name)

    @property
    def until(self) -> date | None:
        """The last day that the form proposes: that of the proposal, or the one this version was accepted with."""
        if self.arrived is None or self.kept is None or self.kept.proposal != self.arrived.digest:
            return self.arrived.proposal.expires if self.arrived else None
        return self.kept.until or self.arrived.proposal.expires

    def _has_table(self, name: str) -> bool:
        return self.kept is not None and (self.kept.project.tables is None or name in self.kept.project.tables)

    @property
    def researchers(self) -> tuple[str, ...]:
        """Who is to open sessions, as the hub asks."""
        return acceptance.researchers(self.arrived.proposal) if self.arrived else ()

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Who is to review, as the hub asks."""
        return tuple(one.user for one in self.arrived.proposal.people if one.role is PersonRole.reviewer) if self.arrived else ()


class ProjectDesk:
    """The projects of one site, for its stewards. ``check`` raises Denied for everybody else."""

    def __init__(self, projects: Projects, inbox: ProposalInbox, published: Published, check: Callable[[Grant], None]) -> None:
        self._projects, self._inbox, self._published, self._check = projects, inbox, published, check

    # ------------------------------------------------------------ seeing

    def all(self, grant: Grant) -> list[ProjectView]:
        """Every project, what waits for a decision first. Raises Denied."""
        self._check(grant)
        kept = {one.project.id: one for one in self._projects.all()}
        arrived = {one.proposal.project: one for one in self._inbox.all()}
        views = [self._view(name, kept.get(name), arrived.get(name)) for name in sorted(kept.keys() | arrived.keys())]
        return sorted(views, key=lambda view: not view.waits)

    def one(self, grant: Grant, name: str) -> ProjectView:
        """One project. Raises Denied, and NotFound where there is none."""
        self._check(grant)
        kept, arrived = self._projects.get(name), self._inbox.get(name)
        if kept is None and arrived is None:
            raise NotFound("There is no such project at this site.")
        return self._view(name, kept, arrived)

    def _view(self, name: str, kept: Kept | None, arrived: Arrived | None) -> ProjectView:
        if arrived is None:
            return ProjectView(name, kept, None)
        missing = tuple(acceptance.not_held(arrived.proposal, self._published))
        over = arrived.proposal.expires < self._projects.today()
        tables = {table: self._published[table] for table in acceptance.tables_asked(arrived.proposal, self._published)}
        return ProjectView(name, kept, arrived, missing, tables, over)

    # ------------------------------------------------------------ acting

    def accept(self, grant: Grant, name: str, digest: str, members: Collection[str], tables: Collection[str], until: date) -> None:
        """Accept these people and tables of the proposal that the page showed. Raises Denied."""
        self._check(grant)
        with _denied():
            acceptance.accept(
                self._projects, self._inbox, self._published, name, digest, grant.user, members=members, tables=tables, until=until
            )

    def decline(self, grant: Grant, name: str, digest: str, reason: Decline) -> None:
        """Decline the proposal that the page showed. Raises Denied."""
        self._check(grant)
        with _denied():
            acceptance.decline(self._projects, self._inbox, name, digest, reason, grant.user)

    def suspend(self, grant: Grant, name: str) -> None:
        """Let nobody work in it until it goes on. Raises Denied."""
        self._check(grant)
        with _denied():
            self._projects.suspend(name, grant.user)

    def go_on(self, grant: Grant, name: str) -> None:
        """Let a suspended project go on. Raises Denied."""
        self._check(grant)
        with _denied():
            self._projects.go_on(name, grant.user)

    def end(self, grant: Grant, name: str, typed: str) -> None:
        """End it for good, where the steward typed its name. Raises Denied."""
        self._check(grant)
        if typed.strip() != name:
            raise Denied("Nothing was done: to end a project, type its id as it stands on the page.")
        with _denied():
            self._projects.end(name, grant.user)

    def set_members(self, grant: Grant, name: str, members: str) -> None:
        """Say anew who may work in it, one name a line. Raises Denied."""
        self._check(grant)
        with _denied():
            self._projects.set_members(name, members.split(), grant.user)


@contextmanager
def _denied() -> Generator[None]:
    try:
        yield
    except ProjectError as error:
        raise Denied(str(error)) from None
