"""``twinpane hub backup`` and ``twinpane hub restore``."""

from datetime import UTC, datetime
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("to", type=click.Path(path_type=Path))
@click.option("--with-keys", is_flag=True, help="Put the hub's keys in too: whoever has the backup can then pose as anybody at this hub.")
def backup(file: Path, to: Path, with_keys: bool) -> None:
    """Write a backup of the hub of FILE to the new folder TO, also while it runs. Workspaces are not in it."""
    from twinpane_hub.settings import SettingsError, load

    from .contents import HubBackupError
    from .take_hub import take

    try:
        settings = load(file)
        if file.name != "hub.toml":
            raise SettingsError(f"{file.name} must be called hub.toml")
        made = take(settings, to, with_keys, datetime.now(UTC))
    except (SettingsError, HubBackupError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{to} is a backup of the hub. It holds hashes of passwords and the secrets of hub.toml.")
    click.echo(f"Workspaces are not in it: back up {settings.state_folder / 'users'} by tools that follow no links.")
    if not with_keys:
        click.echo(f"It has no keys: keep {settings.state_folder / 'sealing.key'} apart. Without it nobody's second factor is good.")
    if made.database_elsewhere:
        click.echo("The database of projects and people is PostgreSQL's: back it up by pg_dump.")


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path, file_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def restore(source: Path, folder: Path) -> None:
    """Put the backup FROM in the new or empty FOLDER. Everybody signs in again, and makes tokens again."""
    from .contents import HubBackupError
    from .restore_hub import restore as put

    try:
        made = put(source, folder)
    except HubBackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{folder} is the hub as of {made.made}.")
    click.echo("Who was shut out, removed or changed after that is not: go through the audit log, and shut out again before you start it.")
    if not made.has_keys:
        click.echo("The backup has no keys: put sealing.key in the state folder before you start it, where people have second factors.")
    if made.database_elsewhere:
        click.echo("Its database is PostgreSQL's: restore that by pg_restore.")
