"""``twinpane site freeze``, ``unfreeze`` and ``account``: the steward's commands beside a running agent, or without one."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from .accounts import Account, Accounts
from .cli import FOLDER, plainly
from .config import KEYS, load_config, load_policy
from .db import Database
from .errors import ConfigError
from .keys import load
from .ledger import Ledger
from .projects import Projects, projects_of
from .proposal_inbox import ProposalInbox
from .reviewers import ReviewersError, reviewers_of
from .running_sessions import Running, RunningSessions
from .standstill import FreezeError, Standstill

BY = click.option("--by", default=None, help="Who does it, for the ledger; default: your login name.")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Desk:
    """A site folder as these commands use it."""

    db: Database
    ledger: Ledger
    accounts: Accounts
    standstill: Standstill
    projects: Projects
    inbox: ProposalInbox


@contextmanager
def desk(folder: Path, clock: Callable[[], datetime] = _now) -> Iterator[Desk]:
    """Open a site folder. What stops a command is said as one message."""
    with plainly():
        config = load_config(folder)
        key = load(folder / KEYS)
        db = Database.open(folder)
        try:
            ledger = Ledger(db, key)
            accounts = Accounts(db, ledger, clock)
            projects = projects_of(db, ledger, config, clock)
            yield Desk(db, ledger, accounts, Standstill(ledger, accounts.stewards, clock), projects, ProposalInbox(db, clock))
        finally:
            db.close()


def proved(accounts: Accounts, name: str) -> Account | None:
    """Ask who is at the terminal for the password of an account, and for a code where it has a second factor; None where one is wrong."""
    password = click.prompt(f"Password of {name}", hide_input=True)
    code = click.prompt("Code of your telephone") if accounts.needs_code(name) else ""
    return accounts.proved(name, password, code)


@click.command()
@FOLDER
@click.option("--reason", default="", help="Why, for the ledger.")
@BY
def freeze(folder: Path, reason: str, by: str | None) -> None:
    """Stop everything that leaves the site, at once."""
    with desk(folder) as at:
        state = at.standstill.freeze(by or getpass.getuser(), reason)
        stewards = len(at.accounts.stewards())
    click.echo(f"Frozen (ledger {state.entry}): nothing leaves. Two stewards together can unfreeze the site.")
    if stewards < 2:
        click.echo(f"It has {stewards} of them. Make accounts with `twinpane site account add {folder} NAME --steward`.")


@click.command()
@FOLDER
@click.option("--as", "name", required=True, help="Your account at this site; you are asked for its password.")
def unfreeze(folder: Path, name: str) -> None:
    """Agree to unfreeze the site; with the second steward's word it goes on."""
    with desk(folder) as at:
        state = at.standstill.state()
        if not state.frozen:
            raise FreezeError("The site is not frozen.")
        account = proved(at.accounts, name)
        if account is None:
            raise FreezeError("Wrong name, password or code. Nothing was changed.")
        state = at.standstill.agree(account.name, state.entry)
    click.echo("Unfrozen: what waited leaves now." if not state.frozen else "You have agreed. One more steward has to.")


@click.group()
def account() -> None:
    """The site's own accounts, for its pages."""


@account.command("add")
@FOLDER
@click.argument("name")
@click.option(
    "--steward/--no-steward", default=None, help="May see the steward's pages, freeze, and agree to unfreeze; as before by default."
)
@BY
def add(folder: Path, name: str, steward: bool | None, by: str | None) -> None:
    """Make an account, or give one another password, and these rights."""
    with desk(folder) as at:
        password = at.accounts.put(name, steward, by or getpass.getuser())
        steward = name.lower() in at.accounts.stewards()
    click.echo(f"{name.lower()} is {'a steward' if steward else 'no steward'}. The password, shown this once: {password}")


@account.command("code")
@FOLDER
@click.argument("name")
@click.option("--off", is_flag=True, help="The account gives no code any more.")
@BY
def code(folder: Path, name: str, off: bool, by: str | None) -> None:
    """Have an account give a code of a telephone beside its password."""
    from twinpane_ground import one_time_codes

    with desk(folder) as at:
        if off:
            at.accounts.unbind(name, by or getpass.getuser())
            click.echo(f"{name.lower()} gives no code any more.")
            return
        if at.accounts.get(name) is None:
            raise ConfigError(f"This site has no account {name.lower()}.")
        secret = one_time_codes.new_secret()
        link = one_time_codes.link(secret, name.lower(), f"Twinpane {load_config(folder).id}")
        click.echo(f"For the telephone's app, shown this once: {link}")
        click.echo(f"Or typed: {secret}")
        at.accounts.bind(name, secret, click.prompt("A code that it shows now"), by or getpass.getuser())
    click.echo(f"{name.lower()} gives a code at each sign-in from now on.")


@account.command("remove")
@FOLDER
@click.argument("name")
@BY
def remove(folder: Path, name: str, by: str | None) -> None:
    """Remove an account: whoever is signed in with it is out at once."""
    with desk(folder) as at:
        at.accounts.remove(name, by or getpass.getuser())
    click.echo(f"{name.lower()} is removed.")


@account.command("list")
@FOLDER
def show(folder: Path) -> None:
    """List the accounts."""
    with desk(folder) as at:
        for one in at.accounts.all():
            click.echo(f"{one.name}{'  steward' if one.steward else ''}")


@click.command()
@FOLDER
@click.option("--add", multiple=True, help="Let this person review (repeatable).")
@click.option("--remove", multiple=True, help="Let this person review no more (repeatable).")
@BY
def reviewers(folder: Path, add: tuple[str, ...], remove: tuple[str, ...], by: str | None) -> None:
    """Who reviews exports here; with options, change it."""
    with desk(folder) as at:
        declared = load_policy(folder).review.reviewers
        known = reviewers_of(at.db, at.ledger, declared, _now)
        gone = {name.lower() for name in remove}
        if strangers := gone - set(known.now()):
            raise ReviewersError(f"No reviewer: {min(strangers)}.")
        if add or remove:
            known.put([name for name in (*known.now(), *add) if name.lower() not in gone], by or getpass.getuser())
        names = known.now()
    click.echo(", ".join(names) or "none: every export that is asked for is turned down at once")


@click.command()
@FOLDER
@click.option("--stop", metavar="ID", default=None, help="End this session.")
@BY
def sessions(folder: Path, stop: str | None, by: str | None) -> None:
    """Who works at the site now, and what each session uses; or stop one."""
    with desk(folder) as at:
        known = RunningSessions(at.db, at.ledger)
        if stop is not None:
            known.stop(stop, by or getpass.getuser(), _now())
            click.echo("Stopped: a running agent ends it within about a second.")
            return
        found = known.all(_now())
    for one in found:
        click.echo(f"{one.session}  {one.user} in {one.project} since {one.since.isoformat(timespec='seconds')}: {_used(one)}")
    if not found:
        click.echo("none")


def _used(one: Running) -> str:
    told = one.figures
    if one.stopped:
        return "stopped; it ends as soon as the agent runs"
    if told is None:
        return "it has just begun, or the agent does not run"
    cell = f" cell {told.cell}" if told.cell else ""
    spent = "not known" if told.processor_s is None else f"{told.processor_s:,.1f} s"
    disk = f"{_megabytes(told.disk)} of {_megabytes(told.disk_size)}" if told.disk_size else "not known"
    return f"{told.state.value}{cell}; processor {spent}, memory {_megabytes(told.memory)}, /project {disk}"


def _megabytes(size: int | None) -> str:
    return "not known" if size is None else f"{size / 2**20:,.1f} MiB"


COMMANDS: tuple[click.Command, ...] = (freeze, unfreeze, account, reviewers, sessions)
"""What they add to ``twinpane site``."""
