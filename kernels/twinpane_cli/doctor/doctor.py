"""``twinpane doctor site DIR`` and ``twinpane doctor hub FILE``. Exit status: 0 nothing is wrong; 1 something is."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from .diagnosis import Diagnosis, as_json, fit, lines

JSON = click.option("--json", "is_json", is_flag=True, help="Print what was found as JSON.")


@click.group()
def doctor() -> None:
    """Look at this machine, and say what a site or hub needs and what to do."""


@doctor.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@JSON
def site(folder: Path, is_json: bool) -> None:
    """Look whether the site of DIR can run on this machine. Changes nothing."""
    from .of_site import looks

    _tell(looks(folder), is_json)


@doctor.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@JSON
def hub(file: Path, is_json: bool) -> None:
    """Look whether the hub of settings FILE (hub.toml) can run on this machine."""
    from .of_hub import looks

    _tell(looks(file), is_json)


def _tell(found: Iterable[Diagnosis], is_json: bool) -> None:
    told = []
    for each in found:
        told.append(each)
        if not is_json:
            for line in lines([each]):
                click.echo(line)
    if is_json:
        click.echo(as_json(told))
    sys.exit(0 if fit(told) else 1)
