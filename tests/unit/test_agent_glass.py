"""The glass: the evidence is durable before anything leaves, what leaves costs what the code says, and nothing else can send."""

import ast
import asyncio
import base64
from pathlib import Path

import pytest
from agent_desk import ANA, BEN, CATALOGUE, FAST, KEY, Desk, S, query, reveal_ask

from twinpane_broker.release.release import Refusal, Release
from twinpane_site.errors import LedgerError, MeterError, StoreError
from twinpane_site.glass import Glass
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.send_slots import SendSlots
from twinpane_site.verdict import Judgement
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import Outcome

KERNELS = Path(__file__).parents[2] / "kernels"
SITE = KERNELS / "twinpane_site"
DIFFERS = Judgement(Outcome.differs)
MOMENT = 12.5
"""When it is let out, by the loop's clock."""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr("twinpane_site.glass._now", lambda: MOMENT)
    made = Desk(tmp_path)
    made.mailbox.receive(S, ANA, 1, wire.Open(session=S, seed=1), made.now())
    yield made
    made.db.close()


def refusal():
    return Refusal(site="a", plan_hash="0" * 64, code="withheld")


def export(state="rejected"):
    return wire.Export(session=S, request="b" * 32, state=state)


CROSSINGS = {
    "verdict": lambda desk: desk.glass.verdict(ANA, S, 1, "1", DIFFERS, 0, MOMENT),
    "reveal": lambda desk: desk.glass.reveal(ANA, reveal_ask(), 0.5, 0, MOMENT),
    "release": lambda desk: desk.glass.release(ANA, query(), refusal(), MOMENT),
    "catalogue": lambda desk: desk.glass.catalogued(
        wire.Catalogued(
            project="p", catalogue=CATALOGUE, code=FAST, environment={}, public_key=KEY.public_hex, day_bits=1, total_bits=1,
        )
    ),
    "spent": lambda desk: desk.glass.may_verdict(ANA, S, 7, "1"),
}  # fmt: skip


def prepared(desk):
    """Verdict and reveal of cell 1 were told that they may leave."""
    assert desk.glass.may_verdict(ANA, S, 1, "1")
    assert desk.glass.may_reveal(ANA, reveal_ask())
    desk.sent.clear()
    return desk


def empty(desk):
    """The account has nothing left for cell 7."""
    account = desk.meter.account("ana", "p")
    account.reserve("other", account.left() - sum(account.balance().reserved.values()) / 1e6 - 0.2)
    return desk


@pytest.mark.parametrize("what", CROSSINGS)
def test_a_failing_ledger_lets_nothing_be_sent_or_wait(desk, monkeypatch, what):
    """When the ledger fails, nothing is sent and nothing waits to be sent."""
    empty(prepared(desk))
    before = desk.meter.account("ana", "p").balance()

    def broken(*_):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(desk.ledger, "append", broken)
    with pytest.raises(LedgerError):
        CROSSINGS[what](desk)
    assert desk.sent == []
    assert desk.mailbox.unreceived() == []
    assert desk.meter.account("ana", "p").balance() == before


@pytest.mark.parametrize("what", ["verdict", "reveal", "release", "spent"])
def test_a_failing_outbox_sends_nothing_and_leaves_no_evidence(desk, monkeypatch, what):
    """When the outbox fails, nothing is sent and no evidence of it stays."""
    empty(prepared(desk))
    lines = desk.ledger.head().seq if desk.ledger.head() else 0

    def broken(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(desk.mailbox, "post", broken)
    with pytest.raises(StoreError):
        CROSSINGS[what](desk)
    assert desk.sent == []
    assert (desk.ledger.head().seq if desk.ledger.head() else 0) == lines


@pytest.mark.parametrize("what", CROSSINGS)
def test_the_evidence_is_on_the_disk_when_something_leaves(desk, what):
    """Looked at with another connection at the moment of sending: the transaction is over."""
    import sqlite3

    empty(prepared(desk))
    seen = []

    def look(message):
        book = sqlite3.connect(desk.folder / "site.db")
        seen.append(book.execute("SELECT kind FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()[0])
        book.close()

    desk.send = look
    CROSSINGS[what](desk)
    assert seen == [{"catalogue": "published", "spent": "silent"}.get(what, what)]


@pytest.mark.parametrize("judgement", [
    Judgement(Outcome.same), DIFFERS, Judgement(Outcome.failed, "KeyError", 2), Judgement(Outcome.failed, "Other", 3),
])  # fmt: skip
@pytest.mark.parametrize("tick", [0, 3, FAST.ticks])
def test_a_verdict_costs_what_the_code_says(desk, judgement, tick):
    source = "a\nb\nc"
    desk.glass.may_verdict(ANA, S, 1, source)
    verdict = desk.glass.verdict(ANA, S, 1, source, judgement, tick, MOMENT)
    bits = FAST.verdict_bits(judgement.outcome, tick, 3)
    assert desk.lines(LedgerEvent.verdict)[0]["bits"] == pytest.approx(bits, abs=1e-6)
    assert desk.meter.account("ana", "p").balance().day_spent / 1e6 == pytest.approx(bits, abs=2e-6)
    assert verdict.left == pytest.approx(1024 - bits, abs=0.11)
    assert bits <= FAST.verdict_reserve(3)


@pytest.mark.parametrize("digits", [1, 3, 9])
@pytest.mark.parametrize("tick", [0, FAST.ticks])
def test_a_reveal_costs_what_the_code_says(desk, digits, tick):
    ask = reveal_ask(digits=digits)
    desk.glass.may_reveal(ANA, ask)
    desk.glass.reveal(ANA, ask, 123.456, tick, MOMENT)
    bits = FAST.reveal_bits(digits, tick)
    assert desk.lines(LedgerEvent.reveal)[0]["bits"] == pytest.approx(bits, abs=1e-6)
    assert desk.meter.account("ana", "p").balance().day_spent / 1e6 == pytest.approx(bits, abs=2e-6)


def test_what_was_not_reserved_cannot_leave(desk):
    with pytest.raises(MeterError):
        desk.glass.verdict(ANA, S, 1, "1", DIFFERS, 0, MOMENT)
    with pytest.raises(MeterError):
        desk.glass.reveal(ANA, reveal_ask(), 1.0, 0, MOMENT)
    assert desk.sent == []
    assert desk.lines(LedgerEvent.verdict) == desk.lines(LedgerEvent.reveal) == []


def test_what_costs_more_than_was_reserved_cannot_leave(desk):
    """A reveal asked for at one digit does not leave at nine."""
    desk.glass.may_reveal(ANA, reveal_ask(digits=1))
    with pytest.raises(MeterError):
        desk.glass.reveal(ANA, reveal_ask(digits=9), 0.123456789, FAST.ticks, MOMENT)
    assert desk.sent == []


def test_a_verdict_leaves_once(desk):
    prepared(desk)
    desk.glass.verdict(ANA, S, 1, "1", DIFFERS, 0, MOMENT)
    with pytest.raises(MeterError):
        desk.glass.verdict(ANA, S, 1, "1", Judgement(Outcome.same), 0, MOMENT)
    assert [v.outcome.value for v in desk.of(wire.Verdict)] == ["differs"]


def test_one_users_verdict_is_not_paid_by_another(desk):
    prepared(desk)
    with pytest.raises(MeterError):
        desk.glass.verdict(BEN, S, 1, "1", DIFFERS, 0, MOMENT)


def test_a_second_answer_to_one_call_stays_inside(desk):
    """The first one left, and is what the ledger says left."""
    desk.glass.release(ANA, query(), refusal(), MOMENT)
    desk.glass.release(ANA, query(), Refusal(site="a", plan_hash="0" * 64, code="withheld"), MOMENT)
    assert len(desk.of(wire.Released)) == 1
    assert len(desk.lines(LedgerEvent.release)) == 1


def test_an_export_leaves_only_with_a_durable_transaction(desk):
    """An export leaves only when the transaction around it is durable.

    The review writes its evidence in the same transaction: when that fails, nothing left.
    """

    def fails_after():
        with desk.db.transaction():
            desk.glass.export(export())
            assert desk.sent == []
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_after()
    assert desk.sent == []
    assert desk.mailbox.unreceived() == []
    desk.glass.export(export())
    desk.glass.export(export())
    assert [crossing.body for crossing in desk.mailbox.unreceived()] == [export()]


def test_what_is_sent_again_is_the_same_bytes(desk):
    prepared(desk)
    desk.glass.verdict(ANA, S, 1, "1", DIFFERS, 2, MOMENT)
    desk.glass.again()
    first, second = (wire.encode(wire.FromAgent(body=message)) for message in desk.of(wire.Verdict))
    assert first == second
    assert len(desk.lines(LedgerEvent.verdict)) == 1


async def test_an_answer_waits_for_its_moment_whatever_dials_in(desk):
    """An answer waits for its moment, whatever dials in meanwhile.

    Its evidence is durable before: a hub that cut the link and took it back got it early, and saw how long the broker took.
    """
    glass = Glass(desk.db, desk.ledger, desk.meter, desk.mailbox, FAST, desk.now, departures := SendSlots(desk.send))
    loop = asyncio.get_running_loop()
    glass.release(ANA, query(), refusal(), loop.time() + 3600)
    (kept,) = desk.mailbox.unreceived()
    assert departures.holds(kept.body)
    for _ in range(3):
        glass.again(session=S)
    assert len(departures._waiting) == 1
    assert departures._waiting[0][0] > loop.time() + 3500
    assert len(desk.lines(LedgerEvent.release)) == 1


def test_while_the_outbox_cannot_be_read_nothing_is_sent_again(desk, monkeypatch):
    """It is asked again at the next look."""

    def broken(*_, **__):
        raise StoreError("the disk is gone")

    monkeypatch.setattr(desk.mailbox, "unreceived", broken)
    assert desk.glass.again() == frozenset()
    assert desk.sent == []


def test_the_line_of_a_release_has_its_id_and_no_refusal_code(desk):
    """The ledger's line of a release has its id, and no code of a refusal."""
    released = Release(
        site="a", plan_hash="0" * 64, id="7" * 32, snapshot="s1", policy="own 1", persons=None, columns=(), rows=(), rules=(),
    )  # fmt: skip
    desk.glass.release(ANA, query(), released, MOMENT)
    [line] = desk.lines(LedgerEvent.release)
    assert (line["id"], line["snapshot"], "code" in line) == ("7" * 32, "s1", False)


def test_nothing_is_sent_again_to_sessions_that_are_closed(desk):
    prepared(desk)
    desk.glass.verdict(ANA, S, 1, "1", DIFFERS, 0, MOMENT)
    desk.sent.clear()
    desk.glass.again(sessions=set())
    assert desk.sent == []
    desk.glass.again(sessions={S})
    assert len(desk.sent) == 1


SENDS = {"FromAgent", "SiteLink", "send", "_send", "send_text", "sendall", "send_multipart", "put_nowait_frame"}
"""What an outward envelope is made with, and what sends."""
MAY_NAME = {
    "link.py": {"FromAgent", "send"}, "send_slots.py": {"send", "_send"},
    # Ports lead to the site's own parts, and the kernel's sockets inward: neither holds the link.
    "inside_kernel.py": {"send"}, "reader/main.py": {"send"}, "reader/kernel.py": {"_send", "send_multipart"}, "parts/port.py": {"send"},
    "parts/fork_server.py": {"send"}, "answering/broker_process.py": {"send"}, "project_copier.py": {"send"},
    # To the site's own syslog or socket.
    "event_feed.py": {"send", "sendall"},
}  # fmt: skip


def named(tree):
    """Every name that a module mentions, called or not, so that another name for it is seen as well; texts too, for ``getattr``."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name) | ast.Constant(value=str(name)):
                yield name
            case ast.alias(name=name):
                yield name.rpartition(".")[2]


def test_no_other_module_of_the_site_puts_anything_on_the_link():
    """Everything that leaves passes the glass: nobody else builds an outward envelope, or names what sends."""
    for path in sorted(SITE.rglob("*.py")):
        found = SENDS & set(named(ast.parse(path.read_text())))
        assert found <= MAY_NAME.get(str(path.relative_to(SITE)), set()), path.name


@pytest.mark.parametrize(
    "source",
    ["s = link.send", "from x import FromAgent as F", "getattr(link, 'send')(m)", "from y.link import SiteLink as L", "link.send(m)"],
)
def test_another_name_for_what_sends_is_seen_too(source):
    assert SENDS & set(named(ast.parse(source)))


def test_the_links_send_is_given_to_the_glass_alone():
    """In the one place where the parts are put together: the link has one name there, and only runs besides."""
    [place] = [path for path in KERNELS.rglob("*.py") if path != SITE / "link.py" and "SiteLink" in named(ast.parse(path.read_text()))]
    tree = ast.parse(place.read_text())
    links = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "link"]
    uses = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.value in links]
    assert sorted(uses) == ["link.is_joined", "link.run", "link.send"]
    assert len(links) == 1 + len(uses), "it is bound once, and never handed on or called otherwise"
    [glass] = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Glass"]
    assert "SendSlots(link.send)" in [ast.unparse(argument) for argument in glass.args]


def test_no_crossing_can_be_made_from_bytes_of_a_kernel():
    """Outcome, class and line of a verdict are typed; content travels in exports alone, and those come from the review."""
    free = {
        (kind, name)
        for kind, (model, _) in wire.CROSSINGS.items() if kind in ("verdict", "reveal", "link")
        for name, field in model.model_fields.items() if field.annotation is str
    }  # fmt: skip
    assert free == {("verdict", "session"), ("reveal", "session"), ("link", "session")}
    for path in ("session.py", "inside_kernel.py", "cell_run.py", "agent.py", "held_writer.py", "reader/main.py", "reader/kernel.py"):
        assert "wire.Export(" not in (SITE / path).read_text()
        assert "ExportedItem" not in (SITE / path).read_text()


def test_base64_is_all_that_an_exported_item_may_hold():
    with pytest.raises(ValueError, match="content"):
        wire.ExportedItem(index=0, cell=1, path=None, form="text", name="x", content="not base64!", sha256="0" * 64, receipt="")
    assert wire.ExportedItem(
        index=0, cell=1, path=None, form="text", name="x", content=base64.b64encode(b"x").decode(), sha256="0" * 64, receipt=""
    )
