"""``twinpane site project``: the same as the page *Projects*, at the terminal. A running agent keeps to it within seconds."""

import getpass
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import click

from twinpane_broker import Catalogue
from twinpane_wire.items import visible
from twinpane_wire.messages import Decline

from .acceptance import accept, decline, not_held, published, researchers
from .catalogue_toml import load_catalogue
from .cli import FOLDER, plainly
from .config import CATALOGUE_FILE
from .projects import Kept, ProjectError
from .proposal_inbox import Arrived
from .steward_cli import BY, desk

NAME = click.argument("name", metavar="PROJECT")
VERSION = click.option("--version", required=True, help="The version that you read, whole, as `twinpane site project show` prints it.")
"""Whole, because a hostile hub can make two proposals whose digests begin alike."""


@click.group()
def project() -> None:
    """Projects of this site: what the hub proposes, and what the site decided."""


def _catalogue(folder: Path) -> Catalogue:
    with plainly():
        return load_catalogue(folder / CATALOGUE_FILE)


@project.command("list")
@FOLDER
def show_all(folder: Path) -> None:
    """Every project, and what waits for a decision."""
    with desk(folder) as at:
        kept = {one.project.id: one for one in at.projects.all()}
        arrived = {one.proposal.project: one for one in at.inbox.all()}
        today = at.projects.today()
    for name in sorted(kept.keys() | arrived.keys()):
        click.echo(_line(name, kept.get(name), arrived.get(name), today))
    if not kept and not arrived:
        click.echo("none")


def _line(name: str, kept: Kept | None, arrived: Arrived | None, today: date) -> str:
    line = f"{name}: {kept.state.value}, {', '.join(kept.project.members) or 'no members'}" if kept else f"{name}: proposed"
    if arrived is not None and arrived.proposal.expires < today:
        return f"{line}; the last day that the hub proposes is over"
    waits = arrived is not None and kept is not None and kept.proposal != arrived.digest
    return line + ("; the hub's proposal is another one than was decided on" if waits else "")


@project.command("show")
@FOLDER
@NAME
def show(folder: Path, name: str) -> None:
    """What the hub proposes, in its words, and what the site decided."""
    catalogue = _catalogue(folder)
    with desk(folder) as at:
        kept, arrived = at.projects.get(name), at.inbox.get(name)
        if kept is None and arrived is None:
            raise ProjectError(f"There is no project {name} at this site.")
    for line in (*_of_site(kept), *_of_hub(arrived, catalogue)):
        click.echo(line)


def _of_site(kept: Kept | None) -> Iterator[str]:
    if kept is None:
        return
    yield f"here        {kept.state.value}" + (f" ({kept.decline.value})" if kept.decline else "")
    yield f"members     {', '.join(kept.project.members) or 'none'}"
    yield f"tables      {'all' if kept.project.tables is None else ', '.join(kept.project.tables)}"
    yield f"last day    {kept.until or 'none set'}"


def _of_hub(arrived: Arrived | None, catalogue: Catalogue) -> Iterator[str]:
    if arrived is None:
        return
    asked = arrived.proposal
    yield f"proposed    version {arrived.digest}, came {arrived.came.isoformat(timespec='seconds')}; these are the hub's words:"
    for name, said in (("title", asked.title), ("purpose", asked.purpose), ("basis", asked.legal_basis)):
        yield f"  {name:<9} {visible(said) or 'none given'}"
    yield f"  people    {', '.join(f'{one.user} ({one.role.value})' for one in asked.people) or 'none'}"
    tables = (one.table + (f" ({', '.join(one.columns)})" if one.columns else "") for one in asked.tables or ())
    yield f"  tables    {'all' if asked.tables is None else '; '.join(tables)}"
    yield f"  last day  {asked.expires}; the hub's administrator wants it {asked.standpoint.value}"
    if missing := list(not_held(asked, published(catalogue))):
        yield f"  not here  {', '.join(missing)}"


@project.command("accept")
@FOLDER
@NAME
@VERSION
@click.option("--member", "members", multiple=True, help="Accept of the researchers this one alone (repeatable); default: all.")
@click.option("--table", "tables", multiple=True, help="Accept of the tables this one alone (repeatable); default: all that are here.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day; default: that of the proposal.")
@BY
def accepting(
    folder: Path, name: str, version: str, members: tuple[str, ...], tables: tuple[str, ...], until: datetime | None, by: str | None
) -> None:
    """Accept what the hub proposes, in whole or in part: the version that you read, and no other."""
    given = published(_catalogue(folder))
    with desk(folder) as at:
        arrived = at.inbox.get(name)
        kept = accept(
            at.projects, at.inbox, given, name, version, by or getpass.getuser(), members=[one.lower() for one in members] or None,
            tables=tables or None, until=until.date() if until else None,
        )  # fmt: skip
    asked = len(researchers(arrived.proposal)) if arrived else 0
    click.echo(f"Accepted {name}: {len(kept.project.members)} of {asked} researchers, until {kept.until}.")


@project.command("decline")
@FOLDER
@NAME
@VERSION
@click.option("--reason", required=True, type=click.Choice([one.value for one in Decline]), help="What the hub is told.")
@BY
def declining(folder: Path, name: str, version: str, reason: str, by: str | None) -> None:
    """Decline what the hub proposes: the version that you read, and no other."""
    with desk(folder) as at:
        decline(at.projects, at.inbox, name, version, Decline(reason), by or getpass.getuser())
    click.echo(f"Declined {name}.")


@project.command("suspend")
@FOLDER
@NAME
@BY
def suspending(folder: Path, name: str, by: str | None) -> None:
    """Let nobody work in a project until it goes on; open sessions end."""
    with desk(folder) as at:
        at.projects.suspend(name, by or getpass.getuser())
    click.echo(f"Suspended {name}.")


@project.command("go-on")
@FOLDER
@NAME
@BY
def going_on(folder: Path, name: str, by: str | None) -> None:
    """Let a suspended project go on."""
    with desk(folder) as at:
        at.projects.go_on(name, by or getpass.getuser())
    click.echo(f"{name} goes on.")


@project.command("end")
@FOLDER
@NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@BY
def ending(folder: Path, name: str, yes: bool, by: str | None) -> None:
    """End a project for good."""
    if not yes:
        click.confirm(f"End {name} for good?", abort=True)
    with desk(folder) as at:
        at.projects.end(name, by or getpass.getuser())
    click.echo(f"Ended {name}.")


@project.command("members")
@FOLDER
@NAME
@click.option("--add", multiple=True, help="Let this person work in it (repeatable).")
@click.option("--remove", multiple=True, help="Let this person work in it no more (repeatable); their open sessions end.")
@BY
def members_of(folder: Path, name: str, add: tuple[str, ...], remove: tuple[str, ...], by: str | None) -> None:
    """Change who may work in a project."""
    with desk(folder) as at:
        kept = at.projects.get(name)
        gone = {one.lower() for one in remove}
        if kept is None or (missing := gone - set(kept.project.members)):
            raise ProjectError(f"This site has decided on no project {name}." if kept is None else f"No member: {min(missing)}.")
        now = [one for one in (*kept.project.members, *add) if one.lower() not in gone]
        kept = at.projects.set_members(name, now, by or getpass.getuser())
    click.echo(f"{name}: {', '.join(kept.project.members) or 'no members'}.")


COMMANDS: tuple[click.Command, ...] = (project,)
"""What they add to ``twinpane site``."""
