"""``twinpane``: its subcommands, each loaded when it is called, so that a site needs no hub, a hub no site, and help is quick."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Subcommand:
    """``line`` is what ``twinpane --help`` says; ``extra`` names what has to be installed for it (``twinpane[extra]``)."""

    load: Callable[[], click.Command]
    line: str
    extra: str


def _demo() -> click.Command:
    from twinpane_hub.demo import demo

    return demo


def _run() -> click.Command:
    from twinpane_kernel.run import run

    return run


def _site() -> click.Command:
    from twinpane_review.steward.overview_cli import command as overview
    from twinpane_site.backup.backup_cli import COMMANDS as OF_BACKUPS
    from twinpane_site.cli import ledger, site
    from twinpane_site.ledger_cli import COMMANDS as OF_THE_LEDGER
    from twinpane_site.project_cli import COMMANDS as OF_PROJECTS
    from twinpane_site.steward_cli import COMMANDS as OF_THE_STEWARD

    from .serve_site import serve

    for command in (serve, overview, *OF_THE_STEWARD, *OF_PROJECTS, *OF_BACKUPS):
        site.add_command(command)
    for command in OF_THE_LEDGER:
        ledger.add_command(command)
    return site


def _policy() -> click.Command:
    from twinpane_site.policy_cli import policy

    return policy


def _receipt() -> click.Command:
    from twinpane_review.cli import receipt

    return receipt


def _data() -> click.Command:
    from twinpane_hub.data.command import data

    return data


def _hub() -> click.Command:
    from twinpane_hub.hub import hub

    return hub


def _doctor() -> click.Command:
    from .doctor.doctor import doctor

    return doctor


COMMANDS = {
    "demo": Subcommand(_demo, "Start a hub, three sites and their data on this machine.", "hub,site"),
    "run": Subcommand(_run, "Run a notebook at every site, without a browser.", "notebook"),
    "site": Subcommand(_site, "Set up and run a site: its data stays there.", "site"),
    "policy": Subcommand(_policy, "Check a site's policy file; explain its disclosure rules.", "site"),
    "receipt": Subcommand(_receipt, "Check receipts of released items, offline.", "site"),
    "data": Subcommand(_data, "Make data to try Twinpane with.", "hub"),
    "hub": Subcommand(_hub, "Run the hub of a settings file, add accounts and site tokens.", "hub"),
    "doctor": Subcommand(_doctor, "Look at this machine: can a site or hub run here?", "hub,site"),
}
"""By name, in the order of help."""


def _missing(error: ModuleNotFoundError, name: str) -> click.ClickException | None:
    """What to say if a package is missing; None if it is one of ours."""
    if str(error.name).startswith("twinpane") or name not in COMMANDS:
        return None
    return click.ClickException(f"`twinpane {name}` needs {error.name}: pip install 'twinpane[{COMMANDS[name].extra}]'")


class Lazy(click.Group):
    """A group that knows its subcommands by name, and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand; None for an unknown name. Raises ClickException with the remedy if its packages are not installed."""
        if cmd_name not in COMMANDS:
            return None
        try:
            return COMMANDS[cmd_name].load()
        except ModuleNotFoundError as error:
            raise (_missing(error, cmd_name) or error) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand. Raises ClickException with the remedy if a package that it imports only now is not installed."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # What it came from holds frames, with them DuckDB, to the very end of the process: it would then speak of leaks.
            error.__context__ = None
            raise error.with_traceback(None) from None
        except ModuleNotFoundError as error:
            raise (_missing(error, ctx.invoked_subcommand or "") or error) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.line) for name, each in COMMANDS.items()])


@click.command(cls=Lazy)
@click.version_option(package_name="twinpane")
def main() -> None:
    """Notebooks that run twice: outside on a synthetic twin, inside on the real rows."""
