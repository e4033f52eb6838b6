"""Writes the sites' reports into a finished notebook: verdicts, reveals and releases per cell, marks per output, final strips."""

from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from .cell_report import CellReport, SiteReport, State
from .strip import MIME, bundle, empty

VERSION = 1
"""Of the schema of ``cell.metadata.twinpane``."""
VERDICTS = (State.same, State.differs, State.failed)


def wipe(notebook: NotebookNode) -> None:
    """Remove the outputs, counts and marks of earlier runs, so that the notebook shows the new run only."""
    notebook.metadata.pop("twinpane", None)
    for cell in notebook.cells:
        cell.metadata.pop("twinpane", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def record(notebook: NotebookNode, reports: Mapping[int, CellReport], settled: bool) -> None:
    """Write the reports (by cell index) into the notebook; ``settled`` says whether every site had told all it could."""
    sites = {site.site: site.title or site.site for report in reports.values() for site in report.sites}
    notebook.metadata["twinpane"] = {"version": VERSION, "sites": sites, "settled": settled}
    for index, cell in enumerate(notebook.cells):
        report = reports.get(index)
        if report is None:  # nothing is known of it
            if cell.cell_type == "code":
                cell.outputs = [mark(output, False) for output in cell.outputs if not is_strip(output)]
            continue
        cell.metadata["twinpane"] = metadata(report)
        cell.outputs = [mark(output, report.real) for output in _with_final_strip(cell.outputs, report)]


def metadata(report: CellReport) -> dict[str, Any]:
    """A report as ``cell.metadata.twinpane``. A verdict that did not come is null, and ``state`` says why."""
    return {
        "version": VERSION,
        "mark": "real" if report.real else "synthetic",
        "sites": {site.site: _site(site) for site in report.sites},
        "reveals": [{"name": one.name, "digits": one.digits, "values": dict(one.values)} for one in report.reveals],
        "releases": list(report.releases),
        "exported": [item.model_dump(mode="json", exclude={"content"}) for item in report.exported],
        "requests": {request: dict(states) for request, states in report.requests.items()},
        "left": dict(report.left),
        "notes": list(report.notes),
    }


def _site(site: SiteReport) -> dict[str, Any]:
    told: dict[str, str | int | None] = {
        "title": site.title or site.site,
        "state": str(site.state),
        "verdict": str(site.state) if site.state in VERDICTS else None,
    }
    if site.state is State.failed:
        told |= {"failure": site.failure, "line": site.line}
    return told


def is_strip(output: Mapping[str, Any]) -> bool:
    """Whether the pane painted this output."""
    ours = output.get("metadata", {}).get("twinpane")
    return isinstance(ours, Mapping) and "strip" in ours and MIME in output.get("data", {})


def _with_final_strip(outputs: list[NotebookNode], report: CellReport) -> list[NotebookNode]:
    """The outputs without the strips painted on the way, and with the final one at their end if it has something to say."""
    kept = [output for output in outputs if not is_strip(output)]
    if empty(report):
        return kept
    return [*kept, new_output("display_data", data=bundle(report), metadata={"twinpane": {"strip": 1}})]


def mark(output: NotebookNode, real: bool) -> NotebookNode:
    """The output with its mark, which overwrites anything that a cell wrote there. Streams and errors have no metadata: see the cell's."""
    if output.output_type in ("display_data", "execute_result") and not is_strip(output):
        output.metadata["twinpane"] = {"mark": "real" if real else "synthetic"}
    return output
