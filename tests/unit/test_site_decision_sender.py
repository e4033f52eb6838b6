"""What reviewers decided is found in the outbox, whichever process put it there, and goes to whom it is for."""

from datetime import UTC, datetime

import pytest

from twinpane_site.db import Database
from twinpane_site.decision_sender import DecisionSender
from twinpane_site.mailbox import Mailbox
from twinpane_wire import messages as wire

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
S, OTHER, BENS = "a" * 32, "b" * 32, "c" * 32
ANA, BEN = wire.Principal(user="ana", project="p"), wire.Principal(user="ben", project="p")


class FakeGlass:
    """Notes what is sent, and to which session."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def deliver(self, message: wire.Export, session: str) -> None:
        self.sent.append((message.request, session))


class World:
    """A mailbox with three sessions, the pages' own connection to it, and the sessions that are open."""

    def __init__(self, folder) -> None:
        self.db, self.pages = Database.open(folder), Database.open(folder)
        self.mailbox, self.glass = Mailbox(self.db), FakeGlass()
        for session, principal in ((S, ANA), (OTHER, ANA), (BENS, BEN)):
            self.mailbox.receive(session, principal, 1, wire.Open(session=session, seed=1), NOON)
        self.open = {S: ANA, OTHER: ANA, BENS: BEN}

    def decide(self, request: str) -> None:
        """As the pages' process does."""
        Mailbox(self.pages).post(wire.Export(session=S, request=request, state="rejected"), NOON)

    def decisions(self) -> DecisionSender:
        return DecisionSender(self.mailbox, self.glass, lambda: self.open)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.db.close()
    made.pages.close()


def test_anothers_decision_goes_once_to_the_session_that_asked(world):
    """What another process decided goes once to the session that asked.

    The look finds what is new since the look before; what is not received is sent again elsewhere.
    """
    decisions = world.decisions()
    decisions.look()
    world.decide("1" * 32)
    decisions.look()
    decisions.look()
    world.decide("2" * 32)
    decisions.look()
    assert world.glass.sent == [("1" * 32, S), ("2" * 32, S)]


def test_where_that_session_is_over_its_authors_others_get_it(world):
    """And nobody else's."""
    del world.open[S]
    decisions = world.decisions()
    world.decide("1" * 32)
    decisions.look()
    assert world.glass.sent == [("1" * 32, OTHER)]


def test_what_was_there_before_the_start_is_only_sent_again(world):
    """What was there before the start is sent by whoever sends again. A start is no new decision."""
    world.decide("1" * 32)
    world.decisions().look()
    assert world.glass.sent == []
