"""What an ended project left inside is deleted after the policy's days, with a line of the ledger before it goes."""

import os
from datetime import timedelta

import pytest
from agent_desk import Desk

from twinpane_site.config import Project
from twinpane_site.ended_projects import EndedProjects
from twinpane_site.errors import StoreError
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.projects import Kept
from twinpane_wire import messages as wire

DAYS = 30
MIA, BEN = (wire.Principal(user=user, project=project) for user, project in (("mia", "lung"), ("ben", "heart")))


class Site(Desk):
    """Two projects with a volume, a held cell, messages and a crossing each."""

    def __init__(self, folder):
        super().__init__(folder)
        for n, who in enumerate((MIA, BEN)):
            session = f"{n}" * 32
            self.projects.put(Kept(project=Project(id=who.project, members=(who.user,)), state="accepted"), "sten")
            self.volume(who.project).mkdir(parents=True)
            (self.volume(who.project) / "rows.csv").write_text("row")
            self.held.put(session, 1, [{"text": "row"}], self.time, member=f"{who.user} in {who.project}")
            self.mailbox.receive(session, who, 1, wire.Open(session=session, seed=1), self.time)
            self.mailbox.post(wire.Reveal(session=session, cell=1, call=1, value=1.5, tick=0, left=1), self.time)
            self.mailbox.close(session, self.time)
        rows = {"held": self.held.purge_project, "inbox": self.mailbox.room.forget_project, "outbox": self.mailbox.give_up_project}
        places = {"volumes": lambda project: (folder / "projects" / project,)}
        self.rule = EndedProjects(self.projects, self.ledger, DAYS, rows, places, self.now)

    def volume(self, project):
        return self.folder / "projects" / project / "someone"

    def there(self, n, project):
        session = f"{n}" * 32
        outbox = self.mailbox.unreceived(session)
        return [self.volume(project).exists(), self.held.get(session, 1) is not None, bool(self.mailbox.taken_in(session)), bool(outbox)]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.mark.parametrize(("state", "days"), [("ended", DAYS - 1), ("suspended", 1000), ("accepted", 1000)])
async def test_nothing_goes_before_its_time(site, state, days):
    """Nor of a project that is suspended, however long."""
    if state != "accepted":
        (site.projects.end if state == "ended" else site.projects.suspend)("lung", "sten")
    site.time += timedelta(days=days)
    await site.rule.once()
    assert site.there(0, "lung") == [True] * 4
    assert site.lines(LedgerEvent.purged) == []


async def test_all_that_an_ended_project_left_goes_and_no_others(site):
    """Volumes, held outputs, messages and crossings; each kind has its line, and what others have stays."""
    site.projects.end("lung", "sten")
    site.time += timedelta(days=DAYS, seconds=1)
    await site.rule.once()
    assert site.there(0, "lung") == [False] * 4
    assert site.there(1, "heart") == [True] * 4
    said = site.lines(LedgerEvent.purged)
    assert [(line["what"], line["project"], line["count"]) for line in said] == [
        (what, "lung", 1) for what in ("held", "inbox", "outbox", "volumes")
    ]
    await site.rule.once()
    assert site.lines(LedgerEvent.purged) == said, "what is gone is deleted again"
    assert site.mailbox.posted("reveal:" + "0" * 32 + ":1:1"), "that it left is forgotten"


async def test_without_its_line_nothing_of_an_ended_project_goes(site, monkeypatch):
    """Evidence before effect."""
    site.projects.end("lung", "sten")
    site.time += timedelta(days=DAYS, seconds=1)

    def full(*_):
        raise StoreError("full")

    monkeypatch.setattr(site.ledger, "append", full)
    with pytest.raises(StoreError):
        await site.rule.once()
    assert site.there(0, "lung") == [True] * 4


async def test_a_link_that_a_kernel_planted_is_not_followed(site, tmp_path_factory):
    """What it points to stays."""
    kept = tmp_path_factory.mktemp("else") / "kept"
    kept.write_text("mine")
    os.symlink(kept.parent, site.volume("lung") / "out")
    site.projects.end("lung", "sten")
    site.time += timedelta(days=DAYS, seconds=1)
    await site.rule.once()
    assert kept.read_text() == "mine"
    assert not site.volume("lung").exists()
