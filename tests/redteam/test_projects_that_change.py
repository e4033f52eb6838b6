"""A real agent whose projects change while it runs: who is taken out is out, who is let in works, and nobody starts it anew."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.federation import PROJECT, PYTHON, USER, Site, federation, make_site
from harness.raw_pane import RawPane, raw_pane
from twinpane_broker import Plan
from twinpane_hub.data.make import make_data
from twinpane_site import ledger_verification
from twinpane_site.db import Database
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BOUND_S = 60
"""Within which who is taken out has to be out."""


async def project(folder: Path, act: str, *words: str) -> None:
    """``twinpane site project …`` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *PYTHON, "twinpane_cli", "site", "project", act, str(folder), PROJECT, *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said


def propose(folder: Path, table: str) -> str:
    """As if the hub had proposed the project with one table; the proposal's version."""
    people = [{"user": USER, "role": "researcher"}]
    asked = {"project": PROJECT, "title": "Less", "people": people, "tables": [{"table": table}], "expires": "2090-01-01"}
    db = Database.open(folder)
    try:
        proposal = wire.Proposal.model_validate(asked)
        ProposalInbox(db, lambda: datetime.now(UTC)).take(proposal)
        return proposal.digest()
    finally:
        db.close()


async def asked(pane: RawPane, cell: int, table: str) -> str:
    """What the site says to a count of a table's rows, in a cell that ended."""
    plan = Plan.model_validate({"table": table, "measures": [{"kind": "count"}]})
    await pane.send(wire.Cell(session=pane.session, cell=cell, msg_id=f"m{cell}", source="1"))
    await pane.send(wire.Query(session=pane.session, cell=cell, call=1, plan=plan))
    await pane.send(wire.Twin(session=pane.session, cell=cell, outputs=Outputs(DisplayNames()).digest("twin"), calls=1))
    await pane.until(lambda: [each for each in pane.said(wire.Released) if each.cell == cell], 60)
    await pane.until(lambda: [each for each in pane.said(wire.Verdict) if each.cell == cell], 60)
    return next(each.result.status for each in pane.said(wire.Released) if each.cell == cell)


def tables(site: Site) -> list[list[str]]:
    """The tables of each catalogue that left."""
    bodies = [wire.decode(wire.FromAgent, frame).body for frame in site.tap.out if '"kind":"hello"' not in frame]
    return [[table.name for table in body.catalogue.tables] for body in bodies if isinstance(body, wire.Catalogued)]


def out(pane: RawPane) -> bool:
    return any(each.code is wire.LinkCode.no_project for each in pane.said(wire.Link))


async def test_a_project_changes_under_a_running_agent(tmp_path: Path) -> None:
    """A member taken out is out, one let in works; fewer tables are all that answers, catalogue and kernel still show."""
    make_data(tmp_path / "data", 300, seed=1)
    folder = make_site(tmp_path / "site", "a", tmp_path / "data")
    async with federation({"a": folder}) as sites:
        site = sites.sites["a"]
        async with raw_pane(sites.url, "a") as pane:
            await pane.acked(await pane.send(wire.Open(session=pane.session, seed=1)))
            assert await asked(pane, 1, "condition_occurrence") == "released"
            await project(folder, "members", "--remove", USER)
            await pane.until(lambda: out(pane), BOUND_S)
        async with raw_pane(sites.url, "a") as pane:
            await pane.send(wire.Open(session=pane.session, seed=1))
            await pane.until(lambda: out(pane), 30)
        await project(folder, "members", "--add", USER)
        async with raw_pane(sites.url, "a") as pane:
            await pane.acked(await pane.send(wire.Open(session=pane.session, seed=1)))
            assert await asked(pane, 1, "person") == "released"
            before = len(tables(site))
            await project(folder, "accept", "--version", propose(folder, "person"))
            await pane.until(lambda: out(pane), BOUND_S)
        async with asyncio.timeout(60):
            while len(tables(site)) == before:
                await asyncio.sleep(0.1)
        assert tables(site)[-1] == ["person"]
        async with raw_pane(sites.url, "a") as pane:
            await pane.acked(await pane.send(wire.Open(session=pane.session, seed=1)))
            assert await asked(pane, 1, "person") == "released"
            assert await asked(pane, 2, "condition_occurrence") == "refused"
        await project(folder, "end", "--yes")
        async with raw_pane(sites.url, "a") as pane:
            await pane.send(wire.Open(session=pane.session, seed=1))
            await pane.until(lambda: out(pane), 30)
        assert site.process is not None
        assert site.process.returncode is None, "the agent was started once"
    assert ledger_verification.verify(folder).ok
