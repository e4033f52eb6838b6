"""What a steward says to a proposal: accept it, in whole or in part, or decline it. Always the version that was read, and no other."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date

from twinpane_broker import Catalogue
from twinpane_wire.messages import Decline, PersonRole, ProjectState, Proposal

from .config import Project
from .projects import Kept, ProjectError, Projects
from .proposal_inbox import Arrived, ProposalInbox

Published = Mapping[str, Collection[str]]
"""The tables that a site publishes, with their columns: what a project can be given."""


def published(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """What a catalogue publishes."""
    return {table.name: tuple(column.name for column in table.visible) for table in catalogue.tables}


def not_held(proposal: Proposal, given: Published) -> Iterator[str]:
    """The tables and columns that a proposal asks for and the site does not publish, as ``table`` or ``table.column``."""
    for scope in proposal.tables or ():
        if scope.table not in given:
            yield scope.table
            continue
        yield from (f"{scope.table}.{name}" for name in scope.columns or () if name not in given[scope.table])


def researchers(proposal: Proposal) -> tuple[str, ...]:
    """Who is to open sessions."""
    return tuple(person.user for person in proposal.people if person.role is PersonRole.researcher)


def tables_asked(proposal: Proposal, given: Published) -> tuple[str, ...]:
    """The tables that are asked for and that the site publishes."""
    return tuple(given) if proposal.tables is None else tuple(scope.table for scope in proposal.tables if scope.table in given)


def _as_read(inbox: ProposalInbox, name: str, digest: str) -> Arrived:
    arrived = inbox.get(name)
    if arrived is None:
        raise ProjectError(f"The hub has proposed no project {name}.")
    if arrived.digest != digest:
        raise ProjectError("The hub has changed this proposal since you read it, so nothing was done. Read it again.")
    return arrived


def accept(
    projects: Projects, inbox: ProposalInbox, given: Published, name: str, digest: str, by: str, *, members: Collection[str] | None = None,
    tables: Collection[str] | None = None, until: date | None = None,
) -> Kept:  # fmt: skip
    """Accept the version of that ``digest``: of whom and what it asks for, ``members`` and ``tables`` (None: all). Raises ProjectError.

    The last day is that of the proposal, or an earlier one that is not over.
    """
    arrived = _as_read(inbox, name, digest)
    proposal = arrived.proposal
    asked, held = researchers(proposal), tables_asked(proposal, given)
    chosen = asked if members is None else tuple(dict.fromkeys(members))
    shown = held if tables is None else tuple(dict.fromkeys(tables))
    if strangers := [one for one in chosen if one not in asked]:
        raise ProjectError(f"The proposal does not name {strangers[0]} as a researcher. Accept it first, then add people.")
    if unknown := [one for one in shown if one not in held]:
        raise ProjectError(f"Table {unknown[0]} is not asked for, or the site does not publish it.")
    if not shown:
        raise ProjectError("Of the tables that are asked for, none is accepted. Decline the proposal instead.")
    if until is not None and until > proposal.expires:
        raise ProjectError(f"The proposal ends on {proposal.expires}; a later last day is not asked for.")
    if (last := until or proposal.expires) < projects.today():
        raise ProjectError(f"The last day, {last}, is over, so nothing was done.")
    everything = proposal.tables is None and set(shown) == set(held)
    project = Project(id=proposal.project, members=chosen, tables=None if everything else shown)
    kept = Kept(project=project, state=ProjectState.accepted, proposal=arrived.digest, until=last)
    projects.put(kept, by)
    return kept


def decline(projects: Projects, inbox: ProposalInbox, name: str, digest: str, reason: Decline, by: str) -> Kept:
    """Decline the version of that ``digest``, for one of the reasons. Raises ProjectError."""
    arrived = _as_read(inbox, name, digest)
    kept = Kept(project=Project(id=name, members=()), state=ProjectState.declined, proposal=arrived.digest, decline=reason)
    projects.put(kept, by)
    return kept
