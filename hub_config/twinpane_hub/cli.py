"""The one command, ``twinpane``. Each subcommand is loaded when it is called, by its module's name: the hub never imports the site."""

import sys
from importlib import import_module

import click

COMMANDS = {
    "demo": ("twinpane_hub.demo", "demo", "Start a hub, three sites and their data on this machine."),
    "run": ("twinpane_kernel.run", "run", "Run a notebook at every site, without a browser."),
    "site": ("twinpane_site.cli", "site", "Set up and run a site: its data stays there."),
    "policy": ("twinpane_site.policy_cli", "policy", "Check a site's policy file; explain its disclosure rules."),
    "receipt": ("twinpane_review.cli", "receipt", "Check receipts of released items, offline."),
    "data": ("twinpane_hub.data.command", "data", "Make data to try Twinpane with."),
    "hub": ("twinpane_hub.hub", "hub", "Run the hub of a settings file, add accounts and site tokens."),
}
"""Name → module, object in it, and one line of help."""


class Lazy(click.Group):
    """A group that knows its subcommands by name, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.command(cls=Lazy)
@click.version_option(package_name="twinpane")
def main() -> None:
    """Notebooks that run twice: outside on a synthetic twin, inside on the real rows."""


if __name__ == "__main__":
    sys.exit(main())
