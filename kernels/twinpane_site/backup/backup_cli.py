"""``twinpane site backup`` and ``twinpane site restore``."""

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from twinpane_site.cli import FOLDER, plainly


@click.command()
@FOLDER
@click.argument("to", metavar="TO", type=click.Path(path_type=Path))
@click.option("--with-key", is_flag=True, help="Put the site's private key in too: whoever has the backup can then pose as the site.")
def backup(folder: Path, to: Path, with_key: bool) -> None:
    """Write a backup of the site in DIR to the new folder TO, also while its agent runs."""
    from .take import take

    with plainly():
        made = take(folder, to, with_key, datetime.now(UTC))
    click.echo(f"{to} is a backup of {made.site}. It holds real rows: keep it as you keep the site itself.")
    if not with_key:
        click.echo(f"It has no private key: keep {folder}/keys/site.key apart, where only you can get it.")
    click.echo(f"Head to keep elsewhere: {made.head.seq} {made.head.hash}")


def _line(_: click.Context, __: click.Parameter, given: tuple[int, str] | None) -> tuple[int, str] | None:
    if given is not None and (given[0] < 1 or not re.fullmatch("[0-9a-f]{64}", given[1])):
        raise click.BadParameter("give number and hash, as `twinpane site ledger verify` prints them")
    return given


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path, file_okay=False))
@FOLDER
@click.option("--head", type=(int, str), callback=_line, help="Number and hash of the newest line of the ledger that you kept elsewhere.")
@click.option("--key", help="The site's public key as known from elsewhere, or a file with it.")
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), help="The site's private key, where the backup has none.")
@click.option("--accept-unproven", is_flag=True, help="Your word that nothing left the site after the backup, where nothing can prove it.")
def restore(
    source: Path, folder: Path, head: tuple[int, str] | None, key: str | None, key_file: Path | None, accept_unproven: bool
) -> None:
    """Put the backup FROM at DIR, if nothing that is known is forgotten. What was at DIR stays beside it."""
    from twinpane_site import keys

    from .restore import restore as put

    with plainly():
        known = None if key is None else keys.public(key)
        done = put(source, folder, datetime.now(UTC), head=head, public_hex=known, key=key_file, unproven=accept_unproven)
    click.echo(f"{folder} is {done.manifest.site} as of {done.manifest.made}, line {done.manifest.head.seq} of its ledger.")
    if done.before:
        click.echo(f"What was there is in {done.before}. It holds real rows: delete it when you need it no more.")
    click.echo("Start no other copy of this site: two would spend its budgets twice.")


COMMANDS = (backup, restore)
