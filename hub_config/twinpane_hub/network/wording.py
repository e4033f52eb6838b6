"""Say in words how two states of the network differ: the plan that is shown before it is carried out, and the record afterwards."""

from collections.abc import Iterable, Iterator

from twinpane_hub.projects import Directory, Project, Site

VERBS = {"open": "resume", "suspended": "suspend", "ended": "end"}
TITLES = {
    "title": "title", "purpose": "purpose", "legal_basis": "legal basis", "expires": "last day", "day_bits": "bits a day",
    "total_bits": "bits in all", "review_url": "address of the review pages",
}  # fmt: skip

LETTERS = 80
"""Of a text that is repeated."""


def differences(before: Directory, after: Directory) -> tuple[str, ...]:
    """One sentence for each thing that differs, sites first; nothing where both are the same. Repeats no token and no key."""
    return (*_sites(before, after), *_projects(before, after))


def _sites(before: Directory, after: Directory) -> Iterator[str]:
    for name, site in after.sites.items():
        if name not in before.sites:
            yield f"add site {name}{_titled(site)}"
            yield from _of_site(name, Site(title=site.title), site)
        else:
            yield from _of_site(name, before.sites[name], site)
    yield from (f"remove site {name}{_titled(site)}" for name, site in before.sites.items() if name not in after.sites)


def _of_site(name: str, old: Site, new: Site) -> Iterator[str]:
    yield from _fields(f"site {name}", old, new, ("title", "review_url"))
    if new.token_sha256 != old.token_sha256:
        yield f"site {name}: {'a one-time token to join with' if new.token_sha256 else 'take the one-time token back'}"
    elif new.token_ends != old.token_ends:
        yield f"site {name}: the one-time token expires {f'on {new.token_ends:%Y-%m-%d %H:%M %Z}' if new.token_ends else 'never'}"
    if new.public_key != old.public_key:
        yield f"site {name}: {'another public key' if new.public_key else 'no public key written down'}"


def _projects(before: Directory, after: Directory) -> Iterator[str]:
    for name, project in after.projects.items():
        old = before.projects.get(name)
        if old is None:
            people = _listed(project.members) or "nobody"
            yield f"propose project {name} ({_short(project.title)}) to {_listed(project.sites)}, with {people}"
            bare = Project(title=project.title, sites=project.sites, members=project.members, expires=project.expires)
            yield from _of_project(name, bare, project)
        else:
            yield from _of_project(name, old, project)
    yield from (
        f"forget project {name} ({_short(project.title)})" for name, project in before.projects.items() if name not in after.projects
    )


def _of_project(name: str, old: Project, new: Project) -> Iterator[str]:
    if new.state != old.state:
        yield f"{VERBS[new.state]} project {name}"
    yield from _fields(f"project {name}", old, new, ("title", "purpose", "legal_basis", "expires", "day_bits", "total_bits"))
    for what, was, shall in (
        ("site", old.sites, new.sites),
        ("member", old.members, new.members),
        ("reviewer", old.reviewers, new.reviewers),
    ):
        yield from (f"project {name}: add {what} {each}" for each in shall if each not in was)
        yield from (f"project {name}: take out {what} {each}" for each in was if each not in shall)
    for table, columns in new.tables.items():
        if old.tables.get(table) != columns:
            yield f"project {name}: ask for table {table}, {f'columns {_listed(columns)}' if columns else 'all columns'}"
    yield from (f"project {name}: ask for table {table} no more" for table in old.tables if table not in new.tables)


def _fields(where: str, old: Project | Site, new: Project | Site, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        was, shall = getattr(old, name), getattr(new, name)
        if was != shall:
            yield f"{where}: {TITLES[name]} {_short(shall)}" if shall not in ("", None) else f"{where}: no {TITLES[name]} any more"


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}…"


def _titled(site: Site) -> str:
    return f" ({_short(site.title)})" if site.title else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
