"""``twinpane hub apply``, ``show``, ``project``, ``site`` and ``people``: the hub's network at the terminal, also while the hub runs."""

import contextlib
import getpass
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .projects import Project, ProjectsError, Site, State
from .settings import HubSettings, SettingsError, load

if TYPE_CHECKING:
    from .network.store import Change, NetworkStore

SETTINGS = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
DATE = click.DateTime(["%Y-%m-%d"])


@contextlib.contextmanager
def _store(file: Path) -> "Iterator[tuple[HubSettings, NetworkStore]]":
    """The settings and the store of a hub; what is wrong with either, or with what is done meanwhile, in one sentence."""
    from pydantic import ValidationError

    from twinpane_ground import mistakes

    from .accounts import AccountsError
    from .audit import AuditLog
    from .disabled import DisabledError
    from .network.database import StoreError
    from .network.store import NetworkStore

    try:
        settings = load(file)
        settings.state_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield settings, NetworkStore(settings.store_url, noted=AuditLog(settings.state_folder).changed)
    except ValidationError as error:
        raise click.ClickException(str(mistakes.first(error))) from None
    except (SettingsError, ProjectsError, StoreError, AccountsError, DisabledError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _change(file: Path, how: "Change") -> None:
    from .network.life import in_time

    with _store(file) as (_, store):
        words = store.change(at_the_terminal(), in_time(how, _today()))
    click.echo("\n".join(f"Done: {line}." for line in words) or "Nothing to change: it is so already.")


def _today() -> date:
    return datetime.now(UTC).date()


def at_the_terminal() -> str:
    """Who runs a command, for the record."""
    return f"{getpass.getuser()}, at the terminal"


@click.command()
@SETTINGS
@click.argument("network", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--plan", is_flag=True, help="Only say what would change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def apply(file: Path, network: Path, plan: bool, yes: bool) -> None:
    """Make the hub's network what the file NETWORK (network.toml) says: first the plan in words, then all of it or nothing."""
    from .network.life import declared, in_time
    from .network.store import checked
    from .network.wording import differences
    from .projects import load as document

    with _store(file) as (_, store):
        change, now = in_time(declared(document(network)), _today(), of_new=False), store()
        words = differences(now, checked(change(now)))
        click.echo("\n".join(f"  {line}" for line in words) or f"Nothing to change: the network is as {network} says.")
        if not words or plan:
            return
        if not yes:
            click.confirm(f"Do {'these' if len(words) > 1 else 'this'}?", abort=True)
        if (done := store.change(at_the_terminal(), change)) != words:
            click.echo("The network had changed meanwhile. Done:\n" + "\n".join(f"  {line}" for line in done))
        else:
            click.echo("Done.")


@click.command()
@SETTINGS
def show(file: Path) -> None:
    """Print the hub's network as a file that `twinpane hub apply` takes."""
    import tomlkit

    with _store(file) as (_, store):
        click.echo(tomlkit.dumps(store().model_dump(exclude_defaults=True)), nl=False)


# ---------------------------------------------------------------- projects


@click.group()
def project() -> None:
    """See, propose and change projects."""


@project.command("list")
@SETTINGS
def list_projects(file: Path) -> None:
    """List projects with what each site answered."""
    from .network.from_sites import read
    from .network.overview import project_rows

    with _store(file) as (_, store):
        for row in project_rows(store(), read(store.engine), _today()):
            click.echo(f"{row.id:<20}{row.words:<12}until {row.document.expires}  {row.document.title}")
            for site in row.sites:
                click.echo(f"    {site.id:<16}{site.words}{f' ({site.tables})' if site.tables else ''}")


@project.command("propose")
@SETTINGS
@click.argument("name")
@click.option("--title", required=True, help="What people read.")
@click.option("--purpose", default="", help="What it is for.")
@click.option("--legal-basis", default="", help="What allows it.")
@click.option("--site", "sites", multiple=True, required=True, help="A site that is asked (repeatable).")
@click.option("--member", "members", multiple=True, help="A person who works in it (repeatable).")
@click.option("--reviewer", "reviewers", multiple=True, help="A person who is to review its exports (repeatable).")
@click.option("--table", "tables", multiple=True, help="A table asked for, TABLE or TABLE=COLUMN,COLUMN (repeatable).")
@click.option("--expires", type=DATE, required=True, help="Its last day, as in 2030-12-31.")
@click.option("--day-bits", type=click.FloatRange(0), help="The meter's budget asked for each person and day.")
@click.option("--total-bits", type=click.FloatRange(0), help="The meter's budget asked for each person in all.")
def propose_project(file: Path, name: str, tables: tuple[str, ...], expires: datetime, **about: Any) -> None:
    """Propose project NAME to its sites."""
    from .network.life import propose

    with _store(file):
        asked = {table: tuple(filter(None, columns.split(","))) for each in tables for table, _, columns in [each.partition("=")]}
        found = Project.model_validate({**about, "tables": asked, "expires": expires.date()})
    _change(file, propose(name, found))


@project.command("change")
@SETTINGS
@click.argument("name")
@click.option("--add-member", multiple=True, help="A person who works in it from now on (repeatable).")
@click.option("--remove-member", multiple=True, help="A person who is out within a minute (repeatable).")
@click.option("--add-reviewer", multiple=True, help="A person who is to review its exports (repeatable).")
@click.option("--remove-reviewer", multiple=True, help="A person who is not to review them any more (repeatable).")
@click.option("--expires", type=DATE, help="Another last day.")
def change_project(file: Path, name: str, expires: datetime | None, **people: tuple[str, ...]) -> None:
    """Change the people or the last day of project NAME."""
    from .network.life import change_people

    last: date | None = expires.date() if expires else None
    _change(file, change_people(name, last=last, **people))


def _state_command(word: str, state: State, help_text: str) -> None:
    @project.command(word, help=help_text)
    @SETTINGS
    @click.argument("name")
    def command(file: Path, name: str) -> None:
        from .network.life import put_into

        _change(file, put_into(name, state))


_state_command("suspend", "suspended", "Suspend project NAME: within a minute nobody works in it. Sites keep what it has inside.")
_state_command("resume", "open", "Let people work in project NAME again.")
_state_command("end", "ended", "End project NAME for good. Its sites are told.")


# ---------------------------------------------------------------- sites


@click.group()
def site() -> None:
    """See sites, and let them join."""


@site.command("list")
@SETTINGS
def list_sites(file: Path) -> None:
    """List sites, when each was last seen, and what it accepted."""
    import time

    from .network.from_sites import read
    from .network.overview import site_rows
    from .pages import online
    from .switchboard.catalogue_store import PinnedKeys

    with _store(file) as (settings, store):
        here = online(settings.online_note, time.time())
        for row in site_rows(store(), read(store.engine), here, PinnedKeys(settings.pins).sites()):
            state = "online" if row.online else f"last seen {row.last_seen:%Y-%m-%d %H:%M}" if row.last_seen else "never seen"
            click.echo(f"{row.id:<20}{state:<28}{row.title}")
            click.echo(f"    joins {row.joins}; accepted: {', '.join(row.accepted) or 'no project'}")


@site.command("add")
@SETTINGS
@click.argument("name")
@click.option("--title", default="", help="What people read.")
@click.option("--review-url", help="Where its review pages are.")
@click.option("--public-key", help="Its key, as `twinpane site status` prints it there.")
def add_site(file: Path, name: str, **about: str | None) -> None:
    """Add site NAME to the network."""
    from .network.life import add_site as add

    with _store(file):
        found = Site.model_validate(about)
    _change(file, add(name, found))


@site.command("invite")
@SETTINGS
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Days for which the token is good.")
def invite_site(file: Path, name: str, days: int) -> None:
    """Make a one-time token for the first visit of site NAME: give it to its steward. It is printed once."""
    from .network.life import invite, new_token

    token, ends = new_token(datetime.now(UTC), days)
    _change(file, invite(name, token, ends))
    click.echo(f"For the site's steward, good once and until {ends:%Y-%m-%d %H:%M} UTC:\nTWINPANE_SITE_TOKEN={token}")


@site.command("forget-key")
@SETTINGS
@click.argument("name")
def forget_key(file: Path, name: str) -> None:
    """Forget the key that site NAME brought on its first visit: it joins again with a new one-time token."""
    from .network.life import site_of
    from .switchboard.catalogue_store import PinnedKeys

    with _store(file) as (settings, store):
        site_of(store(), name)
        found = PinnedKeys(settings.pins).forget(name)
    click.echo(f"The key of {name} is forgotten." if found else f"{name} has brought no key yet, so nothing was changed.")


@site.command("remove")
@SETTINGS
@click.argument("name")
def remove_site(file: Path, name: str) -> None:
    """Take site NAME out of the network. No open project may name it."""
    from .network.life import remove_site as remove

    _change(file, remove(name))


# ---------------------------------------------------------------- people


@click.group()
def people() -> None:
    """See who is known here."""


@people.command("list")
@SETTINGS
def list_people(file: Path) -> None:
    """List people with their projects. Accounts: `twinpane hub account`, `disable`, `enable`."""
    from . import disabled, known_names

    with _store(file) as (settings, store):
        shut_out, directory = disabled.load(settings.state_folder), store()
        named = {name for project in directory.projects.values() for name in project.members}
        for name in sorted(known_names.known(settings) | named | shut_out):
            projects = ", ".join(directory.of(name)) or "no project"
            click.echo(f"{name:<28}{'shut out  ' if name in shut_out else ''}{projects}")
