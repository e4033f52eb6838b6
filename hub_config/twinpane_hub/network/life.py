"""What may become of a network: pure steps from one state to the next. Each raises ProjectsError with a sentence fit to show."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from twinpane_hub.projects import Directory, NoSuch, Project, ProjectsError, Site, State, token_hash

from .store import Change


def declared(wanted: Directory) -> Change:
    """Make the network what a document says. Projects that it does not name end, and sites that it does not name are removed.

    What sites need to join and the document does not give stays: one-time tokens are also made elsewhere.
    """

    def change(now: Directory) -> Directory:
        sites = {name: _with_token(site, now.sites.get(name)) for name, site in wanted.sites.items()}
        projects = dict(wanted.projects)
        for name, project in now.projects.items():
            wish = wanted.projects.get(name)
            if wish is None:
                projects[name] = project.model_copy(update={"state": "ended"})
            elif project.state == "ended" and wish.state != "ended":
                raise ProjectsError(_has_ended(name))
        return Directory(projects=projects, sites=sites)

    return change


def propose(name: str, project: Project) -> Change:
    """A new project. Each of its sites then decides on its own."""

    def change(now: Directory) -> Directory:
        if name in now.projects:
            raise ProjectsError(f"there is a project {name} already: choose another id")
        return _with_project(now, name, project)

    return change


def amend(name: str, **fields: object) -> Change:
    """Another title, people, sites or whatever a project has; not its state."""

    def change(now: Directory) -> Directory:
        project = project_of(now, name)
        if project.state == "ended":
            raise ProjectsError(_has_ended(name))
        return _with_project(now, name, project.model_copy(update=fields))

    return change


def changed(name: str, fields: Mapping[str, object]) -> Change:
    """Whatever of a project is given, its state too."""

    def change(now: Directory) -> Directory:
        project_of(now, name)
        rest = {field: value for field, value in fields.items() if field != "state"}
        after = amend(name, **rest)(now) if rest else now
        return put_into(name, fields["state"])(after) if "state" in fields else after  # type: ignore[arg-type]

    return change


def in_time(how: Change, today: date, *, of_new: bool = True) -> Change:
    """The same change, which gives no open project a last day that is over. One that had it before keeps it.

    ``of_new``: neither a project that is new. A document may: it may be of a network that is older than its store.
    """

    def change(now: Directory) -> Directory:
        after = how(now)
        for name, project in after.projects.items():
            known = now.projects.get(name)
            is_given = of_new if known is None else known.expires != project.expires
            if is_given and project.expires < today and project.state != "ended":
                raise ProjectsError(f"the last day of project {name}, {project.expires}, is over: choose today or a later day (UTC)")
        return after

    return change


def change_people(
    name: str, add_member: Iterable[str] = (), remove_member: Iterable[str] = (), add_reviewer: Iterable[str] = (),
    remove_reviewer: Iterable[str] = (), last: date | None = None,
) -> Change:  # fmt: skip
    """Who works in a project, who is to review for it, and until when."""

    def change(now: Directory) -> Directory:
        project = project_of(now, name)
        members = _with_people("member", name, project.members, add_member, remove_member)
        reviewers = _with_people("reviewer", name, project.reviewers, add_reviewer, remove_reviewer)
        return amend(name, members=members, reviewers=reviewers, expires=last or project.expires)(now)

    return change


def put_into(name: str, state: State) -> Change:
    """Suspend, resume or end a project. What has ended stays so: sites may have deleted what it had inside."""

    def change(now: Directory) -> Directory:
        project = project_of(now, name)
        if project.state == "ended" and state != "ended":
            raise ProjectsError(_has_ended(name))
        return _with_project(now, name, project.model_copy(update={"state": state}))

    return change


def add_site(name: str, site: Site) -> Change:
    """A new site, which no project names yet."""

    def change(now: Directory) -> Directory:
        if name in now.sites:
            raise ProjectsError(f"there is a site {name} already: choose another id")
        return now.model_copy(update={"sites": {**now.sites, name: site}})

    return change


def amend_site(name: str, **fields: object) -> Change:
    """Another title, address or key of a site."""

    def change(now: Directory) -> Directory:
        site = site_of(now, name).model_copy(update=fields)
        return now.model_copy(update={"sites": {**now.sites, name: site}})

    return change


def invite(name: str, token: str, ends: datetime) -> Change:
    """A one-time token for a site's first visit, in place of an earlier one."""
    return amend_site(name, token_sha256=token_hash(token), token_ends=ends)


def remove_site(name: str) -> Change:
    """Take a site out of the network. Projects that have ended go on naming it."""

    def change(now: Directory) -> Directory:
        site_of(now, name)
        naming = [project for project, each in now.projects.items() if name in each.sites and each.state != "ended"]
        if naming:
            raise ProjectsError(f"project {naming[0]} names site {name}: take the site out of it, or end it, first")
        return now.model_copy(update={"sites": {other: site for other, site in now.sites.items() if other != name}})

    return change


def project_of(now: Directory, name: str) -> Project:
    """The project. Raises ProjectsError."""
    if name not in now.projects:
        raise NoSuch(f"there is no project {name}")
    return now.projects[name]


def site_of(now: Directory, name: str) -> Site:
    """The site. Raises ProjectsError."""
    if name not in now.sites:
        raise NoSuch(f"there is no site {name}")
    return now.sites[name]


def _with_project(now: Directory, name: str, project: Project) -> Directory:
    return now.model_copy(update={"projects": {**now.projects, name: project}})


def _with_people(what: str, project: str, now: tuple[str, ...], more: Iterable[str], out: Iterable[str]) -> tuple[str, ...]:
    if strangers := set(out) - set(now):
        raise ProjectsError(f"{min(strangers)} is no {what} of project {project}, so nothing was changed")
    return tuple(name for name in dict.fromkeys((*now, *more)) if name not in out)


def _with_token(wanted: Site, known: Site | None) -> Site:
    if known is None or wanted.token_sha256 is not None:
        return wanted
    return wanted.model_copy(update={"token_sha256": known.token_sha256, "token_ends": known.token_ends})


def _has_ended(name: str) -> str:
    return f"project {name} has ended for good: propose a new one under another id"


def new_token(now: datetime, days: int) -> tuple[str, datetime]:
    """A one-time token, and when it expires."""
    return secrets.token_urlsafe(32), (now + timedelta(days=days)).replace(microsecond=0)
