"""The projects of a site: one truth, of which the latest act counts, and each act has its line in the ledger before it holds."""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from agent_desk import KEY

from twinpane_site import acceptance
from twinpane_site.config import Project
from twinpane_site.db import Database
from twinpane_site.errors import LedgerError
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.projects import Kept, ProjectError, Projects
from twinpane_site.proposal_inbox import MOST, ProposalInbox
from twinpane_wire import messages as wire

GIVEN = {"person": ("person_id", "sex"), "visit": ("person_id", "day"), "note": ("person_id",)}
HEART = Project(id="heart", members=("ana",))


class Site:
    """A site folder's projects and inbox, and a clock that a test sets."""

    def __init__(self, folder):
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.db = Database.open(folder)
        self.ledger = Ledger(self.db, KEY)
        self.projects = Projects(self.db, self.ledger, self.now)
        self.inbox = ProposalInbox(self.db, self.now)

    def now(self):
        return self.time

    def proposed(self, name="heart", **what):
        people = [{"user": "ana", "role": "researcher"}, {"user": "ben", "role": "researcher"}, {"user": "rosa", "role": "reviewer"}]
        asked = {"project": name, "title": "Hearts", "people": people, "tables": [{"table": "person"}, {"table": "visit"}]}
        proposal = wire.Proposal.model_validate({**asked, "expires": "2026-06-30", **what})
        self.inbox.take(proposal)
        return proposal.digest()

    def accept(self, digest, **what):
        return acceptance.accept(self.projects, self.inbox, GIVEN, "heart", digest, "sten", **what)

    def lines(self):
        return [dict(entry.body) for entry in self.ledger.entries(LedgerEvent.project)]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


# ---------------------------------------------------------------- proposals


def test_a_proposal_alone_admits_nobody(site):
    """Nothing is accepted by itself, and nothing is written of it in the ledger, however often the hub says it."""
    for title in ("One", "Two", "Two"):
        site.proposed(title=title)
    assert not site.projects.admits("ana", "heart")
    assert site.projects.all() == ()
    assert site.lines() == []
    assert [one.proposal.title for one in site.inbox.all()] == ["Two"]


def test_a_hub_cannot_fill_the_disk_with_proposals(site):
    """Of so many projects at most one version each is kept; the known ones can still change."""
    for n in range(MOST + 5):
        site.proposed(f"p{n}")
    assert len(site.inbox.all()) == MOST
    site.proposed("p0", title="Changed")
    assert site.inbox.get("p0").proposal.title == "Changed"
    assert site.inbox.get(f"p{MOST + 1}") is None


def test_a_proposal_is_accepted_in_whole(site):
    """Its researchers may work until its last day, and are told of as accepted; its reviewers get no right by it."""
    digest = site.proposed()
    site.accept(digest)
    assert [site.projects.admits(user, "heart") for user in ("ana", "ben", "rosa", "mia")] == [True, True, False, False]
    standing = site.projects.get("heart").standing
    assert (standing.state, standing.proposal, standing.until) == (wire.ProjectState.accepted, digest, date(2026, 6, 30))
    assert [scope.table for scope in standing.tables] == ["person", "visit"]
    site.time = datetime(2026, 7, 1, tzinfo=UTC)
    assert not site.projects.admits("ana", "heart")


def test_a_proposal_is_accepted_in_part(site):
    """Some of the people, some of the tables, and an earlier last day."""
    site.accept(site.proposed(), members=("ben",), tables=("person",), until=date(2026, 4, 1))
    kept = site.projects.get("heart")
    assert (kept.project.members, kept.project.tables, kept.until) == (("ben",), ("person",), date(2026, 4, 1))
    assert site.lines()[0]["by"] == "sten"


@pytest.mark.parametrize(("what", "said"), [
    ({"members": ("mia",)}, "does not name mia"), ({"members": ("rosa",)}, "does not name rosa"), ({"tables": ("note",)}, "not asked for"),
    ({"tables": ()}, "none is accepted"), ({"tables": ("nothing",)}, "not asked for"), ({"until": date(2027, 1, 1)}, "2026-06-30"),
])  # fmt: skip
def test_more_than_is_asked_for_is_not_accepted(site, what, said):
    """Nor a table that the site does not publish. Nothing is changed."""
    with pytest.raises(ProjectError, match=said):
        site.accept(site.proposed(), **what)
    assert site.projects.all() == ()


def test_only_the_version_that_was_read_is_accepted(site):
    """A hub that changes a proposal while its steward reads it gets nothing accepted, and nothing declined."""
    read = site.proposed()
    site.proposed(people=[{"user": "mallory", "role": "researcher"}])
    with pytest.raises(ProjectError, match="changed this proposal"):
        site.accept(read)
    with pytest.raises(ProjectError, match="changed this proposal"):
        acceptance.decline(site.projects, site.inbox, "heart", read, wire.Decline.purpose, "sten")
    assert site.projects.all() == ()


def test_what_the_site_does_not_publish_is_named(site):
    """Unknown tables and columns, for the steward to see."""
    site.proposed(tables=[{"table": "person", "columns": ["sex", "income"]}, {"table": "genome"}])
    assert list(acceptance.not_held(site.inbox.get("heart").proposal, GIVEN)) == ["person.income", "genome"]


def test_a_decline_tells_its_reason_from_the_list_alone(site):
    """And neither people nor tables."""
    acceptance.decline(site.projects, site.inbox, "heart", site.proposed(), wire.Decline.too_much, "sten")
    standing = site.projects.get("heart").standing
    assert (standing.state, standing.decline, standing.researchers, standing.tables) == ("declined", "too_much", (), None)
    site.accept(site.inbox.get("heart").digest)
    assert site.projects.admits("ana", "heart")


# ---------------------------------------------------------------- the life of a project

DONE = {
    "suspend": lambda projects: projects.suspend("heart", "sten"),
    "go_on": lambda projects: projects.go_on("heart", "sten"),
    "end": lambda projects: projects.end("heart", "sten"),
    "members": lambda projects: projects.set_members("heart", ["ben"], "sten"),
}
DECLINED = Kept(project=Project(id="heart", members=()), state="declined", decline="purpose")
START = {"accept": lambda projects: projects.put(Kept(project=HEART, state="accepted"), "sten"),
         "decline": lambda projects: projects.put(DECLINED, "sten")}  # fmt: skip
STATES = {
    "none": (), "declined": ("decline",), "accepted": ("accept",), "suspended": ("accept", "suspend"), "ended": ("accept", "end"),
}  # fmt: skip
MAY = {
    ("accepted", "suspend"): "suspended", ("accepted", "end"): "ended", ("accepted", "members"): "accepted",
    ("suspended", "go_on"): "accepted", ("suspended", "end"): "ended", ("suspended", "members"): "suspended",
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", DONE)
def test_every_state_and_act_is_a_cell_of_the_table(site, state, act):
    """What does not follow raises, and leaves neither change nor line."""
    for step in STATES[state]:
        (START | DONE)[step](site.projects)
    before = site.lines()
    if (state, act) in MAY:
        DONE[act](site.projects)
        assert site.projects.get("heart").state == MAY[state, act]
        assert len(site.lines()) == len(before) + 1
    else:
        with pytest.raises(ProjectError):
            DONE[act](site.projects)
        assert site.lines() == before
    kept = site.projects.get("heart")
    assert site.projects.admits("ana", "heart") == (kept is not None and kept.state == "accepted" and "ana" in kept.project.members)


@pytest.mark.parametrize("members", [["a b"], ["../x"], [""], [f"u{n}" for n in range(301)]])
def test_what_cannot_be_a_name_is_no_member(site, members):
    """One sentence, and nothing is changed."""
    site.projects.put(Kept(project=HEART, state="accepted"), "sten")
    with pytest.raises(ProjectError, match="name has letters"):
        site.projects.set_members("heart", members, "sten")
    assert site.projects.get("heart").project == HEART


def test_without_its_line_in_the_ledger_no_act_holds(site, monkeypatch):
    """Evidence before effect; and a process that had looked meanwhile does not keep what was undone."""

    def full(*_):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(site.ledger, "append", full)
    with pytest.raises(LedgerError):
        site.projects.put(Kept(project=HEART, state="accepted"), "sten")
    monkeypatch.undo()
    assert not site.projects.admits("ana", "heart")


def test_an_act_that_was_undone_is_not_remembered(site):
    """The number that its line had is the next act's: a look meanwhile must not be taken for that."""
    with suppress(RuntimeError), site.db.transaction():
        site.projects.put(Kept(project=HEART, state="accepted"), "sten")
        assert site.projects.admits("ana", "heart")
        raise RuntimeError
    site.projects.put(Kept(project=Project(id="lung", members=("ben",)), state="accepted"), "sten")
    assert not site.projects.admits("ana", "heart")
    assert site.projects.admits("ben", "lung")


def test_another_process_sees_an_act_at_once(site, tmp_path):
    """The pages' process acts, and the agent's knows."""
    other = Site(tmp_path)
    assert not other.projects.admits("ana", "heart")
    site.projects.put(Kept(project=HEART, state="accepted"), "sten")
    assert other.projects.admits("ana", "heart")
    site.projects.suspend("heart", "sten")
    assert not other.projects.admits("ana", "heart")


# ---------------------------------------------------------------- site.toml


def test_an_edit_of_site_toml_is_an_act_like_others(site):
    """What it lists new or otherwise is so; what it lists as before undoes nothing that was done elsewhere."""
    site.projects.declare([HEART])
    assert site.projects.admits("ana", "heart")
    site.projects.suspend("heart", "sten")
    site.projects.declare([HEART])
    assert not site.projects.admits("ana", "heart"), "a restart brought a suspended project back"
    site.projects.declare([Project(id="heart", members=("ana", "ben"))])
    assert site.projects.admits("ben", "heart")
    assert [line["by"] for line in site.lines()] == ["site.toml", "sten", "site.toml"]


def test_an_edit_of_site_toml_prolongs_nothing(site):
    """The last day that a steward set stays."""
    site.accept(site.proposed())
    site.projects.declare([HEART])
    assert site.projects.get("heart").until == date(2026, 6, 30)


def test_who_is_taken_out_of_site_toml_is_out(site):
    """A project that it lists no more is suspended, and comes back when it is listed again."""
    site.projects.declare([HEART])
    site.projects.declare([])
    assert site.projects.get("heart").state is wire.ProjectState.suspended
    site.projects.declare([HEART])
    assert site.projects.admits("ana", "heart")


def test_no_edit_brings_an_ended_project_back(site):
    """Its data is deleted: another project takes another id."""
    site.projects.declare([HEART])
    site.projects.end("heart", "sten")
    site.projects.declare([HEART])
    with pytest.raises(ProjectError, match="ended"):
        site.projects.declare([Project(id="heart", members=("ben",))])
    assert not site.projects.admits("ana", "heart")


def test_what_a_run_brings_along_hides_no_declared_project(tmp_path):
    """A run on one machine has a project of its own name. One that site.toml declares is in the record all the same, for the next start."""
    site = Site(tmp_path)
    local = Project(id="local", members=("local",))
    Projects(site.db, site.ledger, site.now, beside=(local,)).declare((local,))
    after = Projects(site.db, site.ledger, site.now)
    after.declare((local,))
    assert [project.id for project in after.working()] == ["local"]
