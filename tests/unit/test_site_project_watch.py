"""A running agent keeps to its projects: who is removed is out within seconds, who is accepted works, and nothing starts anew."""

import asyncio

import pytest
from agent_desk import ANA, Desk, S

from twinpane_site import acceptance
from twinpane_site.config import Project
from twinpane_site.errors import ConfigError, Frozen
from twinpane_site.project_watch import ProjectWatch
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_site.standstill import Standstill
from twinpane_wire import messages as wire

LUNG = Project(id="lung", members=("mia",))


class Site(Desk):
    """A desk with a watch, and a broker that notes what it serves."""

    def start(self):
        self.inbox = ProposalInbox(self.db, self.now)
        self.served, self.fails = [], None
        agent = self.agent()
        self.watch = ProjectWatch(self.projects, self.inbox, self.glass, self.serve, agent)
        self.hub("p", "lung")
        return self

    def hub(self, *projects):
        """The hub joins, with these projects."""
        self.watch.joined()
        self.agent_.joined(projects)

    async def serve(self, projects):
        if self.fails:
            raise self.fails
        self.served.append([project.id for project in projects])

    def proposal(self, **what):
        asked = {"project": "lung", "title": "Lungs", "people": [{"user": "mia", "role": "researcher"}], "expires": "2030-01-01"}
        return wire.Proposal.model_validate({**asked, **what})

    def accept(self, **what):
        digest = self.inbox.get("lung").digest
        return acceptance.accept(self.projects, self.inbox, {"person": ("person_id",)}, "lung", digest, "sten", **what)

    async def look(self):
        await self.watch.look()
        await self.watch.serve()
        await self.watch.look()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


async def opened(site, principal=ANA):
    site.pane(wire.Open(session=S, seed=1), 1, principal)
    await site.until(lambda: site.agent_.open_sessions)


async def test_a_proposal_is_kept_and_answered_only_when_decided(site):
    """The steward decides; until then the hub hears nothing of it."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    assert site.of(wire.Standing) == []
    assert site.inbox.get("lung") is not None
    site.accept()
    await site.look()
    (said,) = site.of(wire.Standing)
    assert (said.project, said.state, said.researchers) == ("lung", "accepted", ("mia",))
    await site.look()
    assert len(site.of(wire.Standing)) == 1, "it was told again without need"


async def test_an_accepted_project_works_without_a_restart(site):
    """The broker serves it, then its catalogue leaves, and its members are let in."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    site.sent.clear()
    site.accept()
    await site.look()
    assert site.served == [["lung", "p"]]
    assert [message.project for message in site.of(wire.Catalogued)] == ["lung"]
    await opened(site, wire.Principal(user="mia", project="lung"))
    assert "no_project" not in site.codes()


async def test_a_project_proposed_on_a_standing_link_is_published(site):
    """An open proposal names the project as joining does. Before, its catalogue left only when the site dialled in again."""
    site.start().hub("p")
    site.watch.proposed(site.proposal())
    await site.look()
    site.accept()
    site.sent.clear()
    await site.look()
    await site.look()
    assert [message.project for message in site.of(wire.Catalogued)] == ["lung"]
    site.sent.clear()
    site.agent_.unfrozen()
    assert [message.project for message in site.of(wire.Catalogued)] == ["lung", "p"]


async def test_a_project_that_the_hub_reopens_is_published(site):
    """One that was accepted while the hub held it suspended gets its catalogue once it is open, and not before."""
    site.start().hub("p")
    site.watch.proposed(site.proposal(standpoint="suspended"))
    await site.look()
    site.accept()
    site.sent.clear()
    await site.look()
    assert site.of(wire.Catalogued) == []
    site.watch.proposed(site.proposal())
    await site.look()
    assert [message.project for message in site.of(wire.Catalogued)] == ["lung"]


async def test_a_hub_is_told_of_nothing_it_did_not_propose(site):
    """A project that the steward wrote by hand is no answer to anything."""
    site.start()
    site.projects.declare([LUNG])
    await site.look()
    assert site.of(wire.Standing) == []


@pytest.mark.parametrize("out", ["removed", "suspended", "ended", "last day"])
async def test_who_may_not_work_any_more_is_out_at_the_next_look(site, out):
    """Open sessions end, new ones are refused, and the ledger has both."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    site.accept()
    await site.look()
    mia = wire.Principal(user="mia", project="lung")
    await opened(site, mia)
    match out:
        case "removed":
            site.projects.set_members("lung", ["ben"], "sten")
        case "suspended":
            site.projects.suspend("lung", "sten")
        case "ended":
            site.projects.end("lung", "sten")
        case "last day":
            site.time = site.time.replace(year=2031)
    site.sent.clear()
    await site.watch.look()
    assert site.agent_.open_sessions == {}
    site.pane(wire.Open(session="b" * 32, seed=1), 1, mia)
    assert site.codes().count("no_project") >= 2
    assert site.agent_.open_sessions == {}


async def test_who_is_still_admitted_stays_in(site):
    """A change that does not touch them ends no session."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    site.accept()
    await site.look()
    await opened(site, wire.Principal(user="mia", project="lung"))
    site.projects.set_members("lung", ["mia", "ben"], "sten")
    await site.look()
    assert len(site.agent_.open_sessions) == 1
    assert site.served[-1] == ["lung", "p"]


async def test_a_project_that_sees_other_data_begins_anew(site):
    """What a kernel was shown cannot be taken out of it: its session ends."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    site.accept()
    await site.look()
    await opened(site, wire.Principal(user="mia", project="lung"))
    kept = site.projects.get("lung")
    site.projects.change("lung", "sten", project=kept.project.model_copy(update={"tables": ("other",)}))
    await site.watch.look()
    assert site.agent_.open_sessions == {}


async def test_a_broker_that_cannot_serve_keeps_nobody_in(site):
    """Removal waits for nothing; the hub is not told accepted before the project can be worked in."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    await opened(site)
    site.accept()
    site.fails = ConfigError("no memory")
    with pytest.raises(ConfigError):
        await site.watch.serve()
    await site.watch.look()
    assert site.of(wire.Standing) == []
    site.fails = None
    await site.look()
    assert [said.state for said in site.of(wire.Standing)] == ["accepted"]


async def test_a_frozen_site_says_nothing_of_its_projects(site):
    """Not even that one was suspended; it is said after the freeze."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    Standstill(site.ledger, frozenset, site.now).freeze("sten")
    site.accept()
    await site.watch.serve()
    with pytest.raises(Frozen):
        await site.watch.look()
    assert site.of(wire.Standing) == []


async def test_a_new_link_is_told_anew(site):
    """What was told on the last one may have been lost; a hub that proposes nothing hears nothing."""
    site.start().watch.proposed(site.proposal())
    await site.look()
    site.accept()
    await site.look()
    site.hub("p", "lung")
    await site.look()
    assert len(site.of(wire.Standing)) == 1
    site.watch.proposed(site.proposal())
    await site.look()
    assert len(site.of(wire.Standing)) == 2


async def test_a_hub_that_proposes_without_end_writes_once_a_look(site):
    """However often it says it, and however many projects it makes up."""
    site.start()
    for n in range(2000):
        site.watch.proposed(site.proposal(project=f"p{n}", title=str(n)))
        site.watch.proposed(site.proposal(title=str(n)))
    await site.look()
    assert len(site.inbox.all()) <= 200


async def test_the_watch_goes_on_after_an_error(site, monkeypatch):
    """A full disk for a moment stops it for a moment."""
    monkeypatch.setattr("twinpane_site.project_watch.LOOK_S", 0)
    monkeypatch.setattr("twinpane_site.project_watch.AGAIN_S", 0)
    site.start().fails = ConfigError("no memory")
    running = asyncio.create_task(site.watch.run())
    try:
        site.watch.proposed(site.proposal())
        await site.until(lambda: site.inbox.get("lung"))
        site.accept()
        for _ in range(50):
            await asyncio.sleep(0)
        site.fails = None
        await site.sent_of(wire.Standing)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
