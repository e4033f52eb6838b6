"""``twinpane hub``: run the hub of a settings file, keep its accounts; with ``network_command``, its network."""

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import click
import tomlkit

from twinpane_ground import atomic

from . import accounts, disabled, known_names, network_command
from .accounts import AccountsError
from .audit import AuditLog
from .disabled import DisabledError
from .hub_backup import hub_backup_command
from .network.database import StoreError
from .settings import ENVIRONMENT, HubSettings, LocalSignIn, SettingsError, load

HERE = Path(__file__).parent


def config_file(settings: HubSettings) -> Path:
    """The hub's configuration file: the checkout's, or an equal one that is written where twinpane is installed as a package."""
    kept = HERE.parent / "jupyterhub_config.py"
    if kept.is_file():
        return kept
    settings.state_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = settings.state_folder / "jupyterhub_config.py"
    made.write_text(
        "from twinpane_hub.configure import configure\nfrom twinpane_hub.settings import from_environment\n\n"
        "configure(get_config(), from_environment())\n", "utf-8",
    )  # fmt: skip
    return made


def hub_command(settings: HubSettings) -> list[str]:
    """The command that starts the hub."""
    return [sys.executable, "-I", "-m", "twinpane_hub.app", "-f", str(config_file(settings))]


def hub_environment(file: Path) -> dict[str, str]:
    """The hub's environment: only what it needs of ours."""
    keep = ("PATH", "HOME", "OAUTH_CLIENT_SECRET", "JUPYTERHUB_CRYPT_KEY")
    return {name: os.environ[name] for name in keep if name in os.environ} | {"LANG": "C.UTF-8", ENVIRONMENT: str(file.resolve())}


@click.group()
def hub() -> None:
    """Run a hub."""


@hub.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def run(file: Path) -> None:
    """Run the hub of settings FILE (hub.toml) until it is told to stop."""
    from . import before_start

    file = file.resolve()
    try:
        if file.name != "hub.toml":
            raise SettingsError(f"{file.name} must be called hub.toml: the hub's other processes look for that name")
        settings = load(file)
        before_start.check(settings)
    except before_start.ERRORS as error:
        raise click.ClickException(str(error)) from None
    os.chdir(settings.folder)
    command = hub_command(settings)
    os.execve(command[0], command, hub_environment(file))  # noqa: S606


@hub.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name")
@click.option("--group", "groups", multiple=True, type=click.Choice(["researcher", "reviewer", "steward", "admin"]), help="A role.")
def account(file: Path, name: str, groups: tuple[str, ...]) -> None:
    """Add account NAME to a local account store, or give it a new password. The password is printed once.

    What the person had open with the old password ends within a minute. Roles stay where none are given.
    """
    from pydantic import ValidationError

    try:
        settings = load(file)
        if not isinstance(settings.sign_in, LocalSignIn):
            raise click.ClickException("accounts of this hub come from OpenID Connect")
        store = settings.path(settings.sign_in.accounts)
        accounts.check_name(name)
        password = accounts.new_password()

        def with_account(known: dict[str, accounts.Account]) -> dict[str, accounts.Account]:
            kept = groups or (known[name].groups if name in known else ())
            return {**known, name: accounts.Account.model_validate({"password": accounts.hashed(password), "groups": kept})}

        accounts.change(store, with_account)
    except (SettingsError, accounts.AccountsError, ValidationError, OSError) as error:
        raise click.ClickException(str(error)) from None
    _note(settings, f"account {name}: a password" + (f", roles {', '.join(groups)}" if groups else ""))
    click.echo(f"{name}: {password}")


@hub.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name")
@click.option("--unknown", is_flag=True, help="Also a name that nobody has here yet: it cannot sign in then.")
def disable(file: Path, name: str, unknown: bool) -> None:
    """Shut NAME out: no sign-in, and within a minute the person's servers, links, tokens and sessions end. Notebooks stay."""
    if not unknown and not _is_known(file, name):
        raise click.UsageError(f"nobody here has the name {name!r}, so nobody was shut out. To shut it out before it comes, add --unknown")
    _shut_out(file, lambda names: names | {name}, name, f"shut {name} out")
    click.echo(f"{name} is shut out. What is open ends within a minute.")


@hub.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name")
def enable(file: Path, name: str) -> None:
    """Let NAME sign in again."""
    try:
        if name not in disabled.load(load(file).state_folder):
            raise click.UsageError(f"the name {name!r} is not shut out, so nothing was changed")
    except (SettingsError, DisabledError, OSError) as error:
        raise click.ClickException(str(error)) from None
    _shut_out(file, lambda names: names - {name}, name, f"let {name} sign in again")
    click.echo(f"{name} may sign in again.")


def _is_known(file: Path, name: str) -> bool:
    """Whether somebody has the name: an account here, a subject of the provider's, or whoever signed in before."""
    try:
        return name in known_names.known(load(file))
    except (SettingsError, AccountsError, StoreError, OSError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from None


def _shut_out(file: Path, change: Callable[[frozenset[str]], frozenset[str]], name: str, words: str) -> None:
    try:
        accounts.check_name(name)
        settings = load(file)
        disabled.change(settings.state_folder, change)
        _note(settings, words)
    except (SettingsError, AccountsError, DisabledError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _note(settings: HubSettings, words: str) -> None:
    """Note in the hub's audit log what was changed at the terminal."""
    settings.state_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    AuditLog(settings.state_folder).changed(network_command.at_the_terminal(), (words,))


@hub.command("free-name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name")
def free_name(file: Path, name: str) -> None:
    """Take NAME from the person of the OpenID provider who has it: whoever signs in with it next gets it, with its notebooks."""
    from .subjects import Subjects

    try:
        settings = load(file)
        if found := Subjects(settings.state_folder).free(name):
            _note(settings, f"free the name {name}")
    except (SettingsError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{name} is free." if found else f"Nobody had the name {name}.")


@hub.command("require-second-factor")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--off", is_flag=True, help="Demand none any more.")
def require_second_factor(file: Path, off: bool) -> None:
    """Demand a second factor of everybody with a local account. Who has none has no projects until it is set up."""
    try:
        settings = load(file)
        if not isinstance(settings.sign_in, LocalSignIn):
            raise SettingsError("accounts of this hub come from OpenID Connect: demand it there, with `acr` or `amr` in [sign_in]")
        document = tomlkit.parse(file.read_text("utf-8"))
        document["sign_in"]["require_second_factor"] = not off
        atomic.write(file, tomlkit.dumps(document).encode(), mode=file.stat().st_mode & 0o777)
        _note(settings, f"demand {'no' if off else 'a'} second factor")
    except (SettingsError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"A second factor is {'not demanded' if off else 'demanded'} from the hub's next start on.")


@hub.command("reset-second-factor")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("name")
def reset_second_factor(file: Path, name: str) -> None:
    """Forget the second factor of NAME, who lost telephone and recovery codes. See in person that it is who it says."""
    from .second_factors import SecondFactors

    try:
        settings = load(file)
        if found := SecondFactors(settings.state_folder).remove(name):
            _note(settings, f"forget the second factor of {name}")
    except (SettingsError, OSError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from None
    if not found:
        raise click.UsageError(f"{name!r} has no second factor here, so nothing was changed")
    click.echo(f"{name} signs in by the password alone until a new one is set up.")


hub.add_command(hub_backup_command.backup)
hub.add_command(hub_backup_command.restore)
hub.add_command(network_command.apply)
hub.add_command(network_command.show)
hub.add_command(network_command.project)
hub.add_command(network_command.site)
hub.add_command(network_command.people)
