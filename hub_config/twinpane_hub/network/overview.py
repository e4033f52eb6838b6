"""What administrators see of the network, as values: for the pages, the API and the terminal alike. It has counts, and no content."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime

from twinpane_broker import Closed
from twinpane_hub.projects import Directory, Project, Site
from twinpane_wire.messages import Decline, PersonRole, ProjectState, Proposal, Standing

from .from_sites import FromSites
from .proposals import proposal

DECLINED = {
    Decline.not_taking_part: "it takes no part",
    Decline.not_held: "it does not have the tables or columns asked for",
    Decline.too_much: "more is asked for than the purpose needs",
    Decline.purpose: "the purpose is unclear, or none that it may serve",
    Decline.legal_basis: "the legal basis is missing, or does not hold there",
    Decline.people: "somebody in it cannot be accepted",
}  # fmt: skip
MOST_NAMED = 3
"""People that are named one by one where a site leaves them out."""


class Count(Closed):
    """How many crossings of a kind came."""

    crossing: str
    number: int


class SiteOfProject(Closed):
    """How a project stands at one of its sites."""

    id: str
    title: str
    words: str
    accepted: bool
    answered: datetime | None
    tables: str
    """What was accepted, in words."""
    until: date | None
    counts: tuple[Count, ...]


class ProjectRow(Closed):
    """A project, with what its sites answered."""

    id: str
    words: str
    """proposed, active, suspended, expired or ended"""
    document: Project
    sites: tuple[SiteOfProject, ...]


class SiteRow(Closed):
    """A site of the network."""

    id: str
    title: str
    review_url: str | None
    online: bool | None
    last_seen: datetime | None
    joins: str
    """How it may join, or that it has: in words."""
    accepted: tuple[str, ...]
    """Projects."""
    counts: tuple[Count, ...]


def project_row(name: str, project: Project, directory: Directory, heard: FromSites, today: date) -> ProjectRow:
    """One project."""
    asked = proposal(name, project)
    sites = []
    for site in project.sites:
        answer = heard.answers.get((name, site))
        standing = answer.standing if answer else None
        accepted = standing is not None and standing.state is ProjectState.accepted
        sites.append(SiteOfProject(
            id=site, title=directory.title(site), words=_answer_words(asked, standing), accepted=accepted,
            answered=answer.at if answer else None,
            tables=_tables(standing) if accepted else "", until=standing.until if standing else None,
            counts=_counts((kind, number) for (p, s, kind), number in heard.crossings.items() if (p, s) == (name, site)),
        ))  # fmt: skip
    return ProjectRow(id=name, words=_words(project, any(site.accepted for site in sites), today), document=project, sites=tuple(sites))


def project_rows(directory: Directory, heard: FromSites, today: date) -> tuple[ProjectRow, ...]:
    """All projects, those that go on first."""
    rows = [project_row(name, project, directory, heard, today) for name, project in directory.projects.items()]
    return tuple(sorted(rows, key=lambda row: (row.words in ("ended", "expired"), row.id)))


def site_rows(directory: Directory, heard: FromSites, online: frozenset[str] | None, joined: Iterable[str]) -> tuple[SiteRow, ...]:
    """All sites. ``online``: those that are connected, None where nobody knows. ``joined``: those whose key is pinned."""
    known = set(joined)
    return tuple(
        SiteRow(
            id=name, title=site.title, review_url=site.review_url, online=None if online is None else name in online,
            last_seen=heard.seen.get(name), joins=_joins(site, name in known),
            accepted=tuple(
                project for (project, at), answer in sorted(heard.answers.items())
                if at == name and answer.standing.state is ProjectState.accepted and project in directory.projects
            ),
            counts=_counts((kind, number) for (_, s, kind), number in heard.crossings.items() if s == name),
        )
        for name, site in sorted(directory.sites.items())
    )  # fmt: skip


def _words(project: Project, is_accepted: bool, today: date) -> str:
    if project.state != "open":
        return project.state
    if today > project.expires:
        return "expired"
    return "active" if is_accepted else "proposed"


def _answer_words(asked: Proposal, standing: Standing | None) -> str:
    if standing is None:
        return "no answer yet"
    if standing.decline is not None:
        return f"declined: {DECLINED[standing.decline]}"
    if standing.state is not ProjectState.accepted:
        return standing.state.value
    left_out = "; ".join(_left_out(asked, standing))
    older = standing.proposal not in (None, asked.digest())
    return f"accepted{f' in part: {left_out}' if left_out else ''}{', an earlier version of it' if older else ''}"


def _left_out(asked: Proposal, standing: Standing) -> Iterator[str]:
    """What of that which is asked for a site does not give, in words."""
    wanted = [person.user for person in asked.people if person.role is PersonRole.researcher]
    missing = [user for user in wanted if user not in standing.researchers]
    if missing:
        yield f"without {', '.join(missing)}" if len(missing) <= MOST_NAMED else f"without {len(missing)} of {len(wanted)} researchers"
    yield from _tables_left_out(asked, standing)
    if standing.until is not None and standing.until < asked.expires:
        yield f"until {standing.until}"


def _tables_left_out(asked: Proposal, standing: Standing) -> Iterator[str]:
    """Sites give tables whole, or columns of them, in an order of their own."""
    if standing.tables is None:
        return
    if asked.tables is None:
        yield "not all tables"
        return
    given = {each.table: each.columns for each in standing.tables}
    held = [each for each in asked.tables if each.table in given]
    if len(held) < len(asked.tables):
        yield f"{len(held)} of {len(asked.tables)} tables"
    if fewer := [each.table for each in held if not _has_columns(each.columns, given[each.table])]:
        yield f"fewer columns of {', '.join(fewer)}"


def _has_columns(asked: tuple[str, ...] | None, given: tuple[str, ...] | None) -> bool:
    return given is None or (asked is not None and set(asked) <= set(given))


def _tables(standing: Standing | None) -> str:
    if standing is None or standing.tables is None:
        return "all tables"
    return "; ".join(f"{each.table} ({', '.join(each.columns)})" if each.columns else each.table for each in standing.tables)


def _joins(site: Site, is_joined: bool) -> str:
    if site.public_key:
        return "with the key written down here"
    if is_joined:
        return "with the key of its first visit"
    if site.token_sha256 is None:
        return "not yet: it needs a one-time token"
    return f"with its one-time token, until {site.token_ends:%Y-%m-%d %H:%M} UTC" if site.token_ends else "with its one-time token"


def _counts(found: Iterable[tuple[str, int]]) -> tuple[Count, ...]:
    total: dict[str, int] = {}
    for kind, number in found:
        total[kind] = total.get(kind, 0) + number
    return tuple(Count(crossing=kind, number=number) for kind, number in sorted(total.items()))
