"""``twinpane site ledger show`` and ``ledger seen``: the ledger for a steward at a terminal, without SQL."""

from datetime import UTC, datetime
from pathlib import Path

import click

from twinpane_wire.items import visible

from .cli import FOLDER
from .ledger import Entry, who
from .ledger_events import LedgerEvent
from .ledger_export import Format, details, exported
from .ledger_search import Wanted, every
from .sign_off import SignOffError, sign_off
from .steward_cli import desk, proved

DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@FOLDER
@click.option("--kind", type=click.Choice([kind.value for kind in LedgerEvent]), help="Only lines of this kind.")
@click.option("--project", default="", help="Only lines of this project.")
@click.option("--person", default="", help="Only lines about this person, or of what they did.")
@click.option("--since", type=DAY, help="The first day, in UTC.")
@click.option("--until", type=DAY, help="The last day, in UTC.")
@click.option("--format", "form", type=click.Choice(["text", *Format]), default="text", show_default=True)
def show(
    folder: Path, kind: str | None, project: str, person: str, since: datetime | None, until: datetime | None, form: str
) -> None:  # fmt: skip
    """Print the lines of the ledger that fit, in order."""
    wanted = Wanted((kind and LedgerEvent.of(kind)) or None, project, person.lower(), since and since.date(), until and until.date())
    with desk(folder) as at:
        entries = every(at.db, wanted)
        for line in map(text, entries) if form == "text" else exported(entries, Format(form)):
            click.echo(line, nl=False)


def text(entry: Entry) -> str:
    """One line for a terminal."""
    return f"{entry.seq:>8}  {entry.time[:19]}  {entry.kind.value:<10}  {visible(who(entry.body)):<16}  {visible(details(entry))}\n"


@click.command()
@FOLDER
@click.option("--as", "name", required=True, help="Your account at this site; you are asked for its password.")
@click.option("--upto", required=True, type=click.IntRange(min=1), help="The number of the last line that you have seen.")
def seen(folder: Path, name: str, upto: int) -> None:
    """Sign off: write into the ledger that you have seen it up to a line."""
    with desk(folder) as at:
        account = proved(at.accounts, name)
        if account is None or not account.steward:
            raise SignOffError("Wrong name, password or code, or no steward. Nothing was written.")
        sign_off(at.ledger, account.name, upto, datetime.now(UTC))
    click.echo(f"Written: {account.name} has seen the ledger up to line {upto}.")


COMMANDS: tuple[click.Command, ...] = (show, seen)
"""What they add to ``twinpane site ledger``."""
