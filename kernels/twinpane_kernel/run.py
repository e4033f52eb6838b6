"""``twinpane run``: a notebook without a browser, at every site, with the verdicts in the saved notebook.

Exit status: 0 every cell ran on the twin and every site gave its verdict; 1 a cell failed on the twin (not with --allow-errors);
2 the command cannot be used so, or the run cannot start; 4 a site failed a cell (not with --allow-errors), was offline, refused,
spent or did not answer in time; 130 interrupted. The notebook is written with status 0, 1 and 4.
"""

import asyncio
import copy
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click
import nbformat
from nbformat import NotebookNode

from twinpane_ground import atomic
from twinpane_wire.address import switchboard_url

from . import run_ahead
from .run_children import RunError
from .run_local import Link, covered, local_sites, read_folders
from .run_notebook import How, Outcome
from .run_notebook import run as run_notebook
from .run_parameters import ParameterError, inject
from .run_record import record, wipe

FAILED, UNUSABLE, UNSETTLED, INTERRUPTED = 1, 2, 4, 130


def read_notebook(path: Path) -> NotebookNode:
    """The notebook, in the newest format; raises RunError when it is none."""
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        raise RunError(f"{path} is not a notebook: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    return notebook


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write the notebook wholly or not at all; it is on the disk when this returns."""
    atomic.write(path, nbformat.writes(notebook).rstrip("\n").encode() + b"\n", mode=None)


def write_recorded(notebook: NotebookNode, outcome: Outcome, path: Path) -> None:
    """Write the notebook as the clear run left it, with what the sites said by now beside and below its outputs."""
    recorded = copy.deepcopy(notebook)
    record(recorded, outcome.reports, outcome.settled)
    write_notebook(recorded, path)


async def _run(notebook: NotebookNode, link: Link | None, sites: Sequence[Path], workspace: Path, how: How, out: Path) -> Outcome:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    environment = {"TWINPANE_WORKSPACE": str(workspace)}
    if link is not None:
        return await run_notebook(notebook, environment | _reached(link), how, _say)
    folders = read_folders(sites)
    environment |= {"TWINPANE_COVERED": "\n".join(covered(folders, workspace)), "TWINPANE_SITES_LATER": "1"}
    async with local_sites(folders, _say) as local:

        async def turn(outcome: Outcome) -> None:
            await asyncio.to_thread(write_recorded, notebook, outcome, out)
            _say(f"the notebook has run on the twin, as {out} shows; now the sites run it")
            await local.begin()

        return await run_notebook(notebook, environment | _reached(local.link), how, _say, turn)


def _reached(link: Link) -> dict[str, str]:
    return {"TWINPANE_SWITCHBOARD": link.url, "TWINPANE_PROJECT": link.project, "TWINPANE_TOKEN": link.token}


def _say(line: str) -> None:
    click.echo(line, err=True)


def _paths(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[Path]:
    return [Path(part) for part in (value or "").split(",") if part]


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(name="run", help=__doc__, short_help="Run a notebook at every site, without a browser.")
@click.argument("notebook", type=FILE)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the executed notebook is written.")
@click.option("--hub", envvar="TWINPANE_SWITCHBOARD", help="A running hub (https://…) or its switchboard (wss://…).")
@click.option("--project", envvar="TWINPANE_PROJECT", help="The project at the hub.")
@click.option("--token-file", type=FILE, help="A file with the hub's token; without it TWINPANE_TOKEN is read.")
@click.option("--sites", callback=_paths, metavar="DIR,DIR…", help="Site folders to start for this run, instead of a hub.")
@click.option("--allow-errors", is_flag=True, help="Go on after a failing cell.")
@click.option("--timeout", default=600.0, show_default=True, type=click.FloatRange(min=0), help="Seconds to wait for sites at the end.")
@click.option("--cell-timeout", type=click.FloatRange(min=1), help="Seconds that one cell may take on the twin; no limit by default.")
@click.option("--workspace", type=FOLDER, help="What is /project; the notebook's folder by default.")
@click.option("--kernel-name", default="twinpane", show_default=True, help="The kernelspec.")
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter, as papermill does.")
def run(
    notebook: Path,
    out: Path,
    hub: str | None,
    project: str | None,
    token_file: Path | None,
    sites: list[Path],
    allow_errors: bool,
    timeout: float,
    cell_timeout: float | None,
    workspace: Path | None,
    kernel_name: str,
    parameters: tuple[tuple[str, str], ...],
) -> None:
    """Run a notebook; see the module."""
    folder = notebook.resolve().parent
    place = (workspace or folder).resolve()
    start = folder if folder.is_relative_to(place) else place
    how = How(kernel_name=kernel_name, folder=start, allow_errors=allow_errors, cell_timeout=cell_timeout, timeout=timeout)
    try:
        link = None if sites else _link(hub, project, token_file)
        if not out.resolve().parent.is_dir():
            raise RunError(f"{out.parent} does not exist: make the folder first")
        made = read_notebook(notebook)
        wipe(made)
        inject(made, parameters)
        if sites:
            run_ahead.check(made)
        outcome = asyncio.run(_run(made, link, sites, place, how, out))
    except (RunError, ParameterError) as error:
        raise SystemExit(_failed(str(error))) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("interrupted; everything that was started has ended")
        raise SystemExit(INTERRUPTED) from None
    write_recorded(made, outcome, out)
    raise SystemExit(_conclude(outcome, out, allow_errors))


def _failed(why: str) -> int:
    _say(f"twinpane run: {why}")
    return UNUSABLE


def _link(hub: str | None, project: str | None, token_file: Path | None) -> Link:
    if not hub:
        raise RunError("say where the sites are: --hub URL --project P of a running hub, or --sites DIR,DIR… to start them for this run")
    token = token_file.read_text("utf-8").strip() if token_file else os.environ.get("TWINPANE_TOKEN", "")
    if not project or not token:
        raise RunError("a hub needs --project, and a token in TWINPANE_TOKEN or --token-file")
    try:
        return Link(switchboard_url(hub), project, token)
    except ValueError as error:
        raise RunError(str(error)) from None


def _conclude(outcome: Outcome, out: Path, allow_errors: bool) -> int:
    """Say how it went, cell by cell where there is something to say; returns the exit status."""
    for note in outcome.notes:
        _say(f"note: {note}")
    troubles = outcome.troubles(allow_errors)
    for trouble in troubles:
        _say(trouble)
    real = sum(report.real for report in outcome.reports.values())
    _say(f"{len(outcome.reports)} cells at {len(outcome.sites)} sites, {real} real at all of them; written to {out}")
    if outcome.failed is not None:
        _say(f"cell {outcome.failed + 1} failed on the twin: {outcome.why}")
        return FAILED
    return UNSETTLED if troubles else 0
