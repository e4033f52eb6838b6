"""The agent: takes messages in once they are on the disk, opens what its steward admits, and lets nobody's message stop it."""

import asyncio

import pytest
from agent_desk import ANA, BEN, FAST, KEY, Desk, FakeExports, S, cell, forever_play, query, reveal_ask, said, twin

from twinpane_broker.release.release import Refusal
from twinpane_site import agent as agent_module
from twinpane_site import session as session_module
from twinpane_site.errors import SiteError, StoreError
from twinpane_site.exports import Kind as Source
from twinpane_site.exports import until_stored
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_verification import verify
from twinpane_site.verdict import Run
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import PrefixCode

OTHER = "c" * 32
OPEN = wire.Open(session=S, seed=1)
EVE = wire.Principal(user="eve", project="p")


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "RETRY_S", 0.01)
    monkeypatch.setattr(agent_module, "RESEND_S", 0.01)
    made = Desk(tmp_path)
    yield made
    await made.agent_.close()
    made.db.close()


def ask_export(*items, request="b" * 32):
    return wire.ExportAsk(session=S, request=request, purpose="figure 2", items=items or (wire.ExportItem(cell=1, source="other"),))


async def ran(desk, number=1, n=2, *texts):
    """Open and run a cell to its verdict."""
    desk.pane(OPEN, 1)
    desk.pane(cell(number), n)
    desk.pane(twin(number, *texts), n + 1)
    return (await desk.sent_of(wire.Verdict))[0]


# ---------------------------------------------------------------- taking in


async def test_a_message_is_acknowledged_whatever_the_kernel_does(desk):
    """A message is acknowledged, whatever the inside kernel does."""
    desk.play = forever_play
    desk.agent()
    desk.pane(OPEN, 1)
    for number in range(1, 6):
        desk.pane(cell(number), number + 1)
    assert [m.n for m in desk.of(wire.Link) if m.code.value == "ack"] == [1, 2, 3, 4, 5, 6]


async def test_what_comes_again_is_acknowledged_and_done_once(desk):
    desk.agent()
    await ran(desk)
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    desk.pane(twin(1), 3)
    await desk.turns()
    assert desk.launcher.kernels[0].ran == [1]
    assert len(desk.launcher.kernels) == 1
    assert [m.n for m in desk.of(wire.Link) if m.code.value == "ack"] == [1, 2, 3, 3, 3, 3]


async def test_after_a_gap_nothing_runs_and_the_pane_is_told(desk):
    """After a gap nothing is done, and the pane is told what is here."""
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(2), 3)
    await desk.turns()
    assert desk.codes()[-1] == "ack"
    assert desk.of(wire.Link)[-1].n == 1
    assert desk.launcher.kernels[0].ran == []


async def test_on_a_full_disk_a_message_is_left_and_comes_again(desk, monkeypatch):
    """On a full disk a message is not taken in, and comes again.

    The pane hears the last number that is here, so it knows to send the rest again; nothing ran meanwhile.
    """
    desk.agent()
    desk.pane(OPEN, 1)
    append, failing = desk.ledger.append, [True]

    def full(kind, body, time):
        if failing[0] and kind is LedgerEvent.cell:
            raise StoreError("the disk is full")
        return append(kind, body, time)

    monkeypatch.setattr(desk.ledger, "append", full)
    desk.pane(cell(1), 2)
    await desk.turns()
    assert desk.of(wire.Link)[-1].n == 1
    assert desk.launcher.kernels[0].ran == []
    failing[0] = False
    desk.pane(cell(1), 2)
    desk.pane(twin(1), 3)
    await desk.sent_of(wire.Verdict)


async def test_a_session_opens_once_its_opening_can_be_written(desk, monkeypatch):
    """A session whose opening could not be written opens when it can be."""
    desk.agent()
    append, failing = desk.ledger.append, [True]

    def full(kind, body, time):
        if failing[0]:
            raise StoreError("the disk is full")
        return append(kind, body, time)

    monkeypatch.setattr(desk.ledger, "append", full)
    desk.pane(OPEN, 1)
    assert [(m.code.value, m.n) for m in desk.of(wire.Link)] == [("ack", 0)]
    failing[0] = False
    await ran(desk)


async def test_what_came_is_in_the_ledger_by_its_digests(desk):
    """Of each cell: what ran here, and with which files, without their contents."""
    desk.agent()
    desk.pane(OPEN, 1)
    files = (wire.WorkspaceFile(path="a.py", content="AAAA"), wire.WorkspaceFile(path="b", content=None))
    desk.pane(cell(1, "secret_source", files=files), 2)
    [entry] = desk.lines(LedgerEvent.cell)
    assert [path for path, _ in entry["files"]] == ["a.py", "b"]
    assert len(entry["source"]) == 64
    assert "secret_source" not in str(entry)
    assert desk.lines(LedgerEvent.opened)[0]["user"] == "ana"


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize("principal", [EVE, wire.Principal(user="ana", project="other")])
async def test_who_is_not_admitted_gets_nothing_and_leaves_a_line(desk, principal):
    desk.agent()
    for n, body in enumerate((OPEN, cell(1), reveal_ask(), ask_export(), wire.Close(session=S)), 1):
        desk.pane(body, n, principal)
    await desk.turns()
    assert set(desk.codes()) == {"no_project"}
    assert desk.launcher.kernels == []
    assert desk.exports.submitted == []
    assert desk.mailbox.session(S) is None
    assert len(desk.lines(LedgerEvent.refused)) == 5


async def test_another_users_session_is_out_of_reach(desk):
    """Ben cannot run, ask, close, or say to have received, in Ana's session."""
    desk.agent()
    await ran(desk)
    before = len(desk.mailbox.unreceived())
    for n, body in enumerate((cell(2), reveal_ask(), ask_export(), wire.Interrupt(session=S, cell=9), wire.Close(session=S)), 4):
        desk.pane(body, n, BEN)
    desk.pane(wire.Received(session=S, ids=(f"verdict:{S}:1",)), 0, BEN)
    await desk.turns()
    assert desk.codes().count("refused_message") == 5
    assert desk.launcher.kernels[0].ran == [1]
    assert not desk.launcher.kernels[0].closed
    assert len(desk.mailbox.unreceived()) == before == 1
    assert desk.exports.submitted == []


async def test_messages_of_a_session_that_was_never_opened_are_refused(desk):
    desk.agent()
    for n, body in enumerate((cell(1), twin(1), reveal_ask(), wire.Close(session=S)), 1):
        desk.pane(body, n)
    assert desk.codes() == ["unknown_session"] * 4
    assert desk.mailbox.session(S) is None


async def test_a_session_has_one_kernel_however_often_it_is_opened(desk):
    """Each further one would be one more than the site allows."""
    desk.agent(max_sessions=1)
    for n in range(1, 6):
        desk.pane(OPEN, n)
    await desk.turns()
    assert len(desk.launcher.kernels) == 1
    assert len(desk.lines(LedgerEvent.opened)) == 1


async def test_no_more_sessions_than_the_policy_says(desk):
    desk.agent(max_sessions=1)
    desk.pane(OPEN, 1)
    desk.pane(wire.Open(session=OTHER, seed=1), 1, BEN)
    await desk.turns()
    assert desk.of(wire.Link)[-1].code.value == "unavailable"
    assert len(desk.launcher.kernels) == 1


async def test_a_session_left_open_makes_room_for_its_users_next(desk):
    """A session that was left open makes room for the next one of the same user only. The one silent for longest ends, and is told."""
    desk.agent(max_sessions_per_user=1)
    desk.pane(OPEN, 1)
    await desk.until(lambda: desk.launcher.kernels)
    desk.pane(wire.Open(session=OTHER, seed=1), 1)
    await desk.until(lambda: desk.lines(LedgerEvent.closed))
    assert [(link.session, link.code.value) for link in desk.of(wire.Link) if link.code.value in ("unavailable", "opened")] == [
        (S, "opened"), (S, "unavailable"), (OTHER, "opened"),
    ]  # fmt: skip
    await desk.until(lambda: len(desk.launcher.kernels) == 2)


async def test_no_more_cells_than_the_policy_says(desk):
    desk.agent(max_cells=1)
    desk.pane(OPEN, 1)
    desk.pane(cell(2), 2)
    assert desk.codes()[-1] == "refused_message"


async def test_a_closed_session_takes_nothing_more(desk):
    desk.agent()
    await ran(desk)
    desk.pane(wire.Close(session=S), 4)
    await desk.until(lambda: desk.lines(LedgerEvent.closed))
    desk.pane(cell(2), 5)
    assert desk.codes()[-1] == "refused_message"
    await desk.until(lambda: desk.launcher.kernels[0].closed)


# ---------------------------------------------------------------- closing


async def test_closing_returns_the_reserve_and_pays_for_silence(desk):
    """Closing gives back what was reserved, and pays for silence."""
    desk.play = forever_play
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    desk.pane(cell(2), 3)
    desk.pane(twin(1), 4)
    session = desk.agent_._sessions[S]
    await desk.until(lambda: session.silent() and session.silent()[0][1] >= 3)
    desk.pane(wire.Close(session=S), 5)
    await desk.until(lambda: desk.lines(LedgerEvent.closed))
    balance = desk.meter.account("ana", "p").balance()
    assert not balance.reserved
    [silence] = desk.lines(LedgerEvent.silent)
    assert silence["what"] == f"verdict:{S}:1"
    assert silence["bits"] >= FAST.tick_bits(3)
    assert balance.day_spent / 1e6 == pytest.approx(silence["bits"])


async def test_a_session_that_ends_after_its_verdicts_costs_no_more(desk):
    """A session that ends after its verdicts costs nothing more."""
    desk.agent()
    await ran(desk)
    spent = desk.meter.account("ana", "p").balance().day_spent
    await desk.turns()
    desk.pane(wire.Close(session=S), 4)
    await desk.until(lambda: desk.lines(LedgerEvent.closed))
    assert desk.meter.account("ana", "p").balance().day_spent == spent


async def test_other_sessions_of_the_account_see_what_is_left(desk):
    desk.agent()
    desk.pane(wire.Open(session=OTHER, seed=2), 1)
    desk.pane(wire.Open(session="d" * 32, seed=2), 1, BEN)
    verdict = await ran(desk)
    told = [m for m in desk.of(wire.Link) if m.code.value == "meter"]
    assert [(m.session, m.left) for m in told] == [(OTHER, verdict.left)]


async def test_a_grant_is_told(desk):
    desk.agent()
    desk.pane(OPEN, 1)
    keeping = asyncio.create_task(desk.agent_.keep_house())
    desk.meter.grant("ana", "p", 100, "steward")
    await desk.until(lambda: "meter" in desk.codes())
    assert desk.of(wire.Link)[-1].left == 1124
    keeping.cancel()


# ---------------------------------------------------------------- after a restart


async def restarted(desk, exports=None):
    """The same disk, another agent: as after kill -9."""
    await desk.agent_.close()
    desk.sent.clear()
    desk.agent(exports)
    desk.agent_.restore()


async def test_after_a_restart_what_owes_a_verdict_gets_one(desk):
    """After a restart, each cell that is owed a verdict gets one, and no other cell does."""

    async def second_hangs(kernel, cell):
        return Run(said()) if cell.cell == 1 else await forever_play(kernel, cell)

    desk.play = second_hangs
    desk.agent()
    await ran(desk)
    desk.pane(cell(2), 4)
    desk.pane(reveal_ask(2), 5)
    desk.pane(twin(2, calls=1), 6)
    desk.pane(cell(3), 7)
    await desk.turns()
    await restarted(desk)
    assert [(v.cell, v.failure) for v in await desk.sent_of(wire.Verdict)] == [(2, "KernelDied")]
    assert [r.value for r in await desk.sent_of(wire.Reveal)] == [None]
    desk.pane(twin(3), 8)
    assert [v.cell for v in await desk.sent_of(wire.Verdict, 2)] == [2, 3]
    assert desk.launcher.kernels == [], "there is no kernel any more, and no new one"


async def test_a_reveal_cut_off_by_a_crash_gets_its_answer(desk):
    """A reveal gets its answer, although the crash came after the verdict of its cell had left."""
    desk.agent()
    await ran(desk)
    desk.mailbox.receive(S, ANA, 4, reveal_ask(), desk.now())
    await restarted(desk)
    assert [r.value for r in await desk.sent_of(wire.Reveal)] == [None]
    await desk.turns()
    assert desk.of(wire.Verdict) == []


async def test_a_restart_writes_no_second_line_of_what_is_spent(tmp_path):
    """What was told to be spent is not told twice in the ledger, also after a restart."""
    desk = Desk(tmp_path, day_bits=0)
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    await desk.until(lambda: "spent" in desk.codes())
    await restarted(desk)
    await desk.turns()
    desk.agent_.joined(("p",))
    assert "spent" in desk.codes()
    assert len(desk.lines(LedgerEvent.silent)) == 1
    await desk.agent_.close()


async def test_a_session_that_was_closing_is_closed_after_a_restart(desk):
    desk.play = forever_play
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    desk.mailbox.receive(S, ANA, 3, wire.Close(session=S), desk.now())
    await restarted(desk)
    await desk.until(lambda: desk.lines(LedgerEvent.closed))
    assert desk.mailbox.open_sessions() == []


async def test_who_is_no_longer_admitted_gets_nothing_at_a_restart(desk):
    """A person who is no longer admitted gets nothing after a restart."""
    desk.agent()
    desk.mailbox.receive(S, EVE, 1, OPEN, desk.now())
    desk.mailbox.receive(S, EVE, 2, cell(1), desk.now())
    desk.mailbox.receive(S, EVE, 3, twin(1), desk.now())
    await restarted(desk)
    await desk.turns()
    assert desk.sent == []


async def test_the_ledger_holds_together_over_restarts(desk):
    desk.play = forever_play
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    desk.pane(twin(1), 3)
    await restarted(desk)
    await desk.sent_of(wire.Verdict)
    report = verify(desk.folder, KEY.public_hex)
    assert report.ok, report.fault


# ---------------------------------------------------------------- exports


async def test_reviewers_get_what_is_held_and_the_source_that_ran_here(desk):
    """Not the source that the outside says it was."""

    async def play(_kernel, _cell):
        return Run(said("rows"))

    desk.play = play
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(1, "what ran"), 2)
    desk.pane(ask_export(), 3)
    await desk.until(lambda: desk.exports.submitted)
    [(author, ask, items)] = desk.exports.submitted
    assert author == "ana"
    assert ask.items[0].source == "what ran"
    assert items[0][0] is Source.held
    assert items[0][1][0]["text"] == "rows"


async def test_a_request_about_a_running_cell_waits_for_it(desk):
    """A request about a running cell waits for the cell, and survives the close of the session."""
    desk.play = forever_play
    desk.agent()
    desk.pane(OPEN, 1)
    desk.pane(cell(1, "what ran"), 2)
    desk.pane(ask_export(), 3)
    await desk.turns(100)
    assert desk.exports.submitted == []
    desk.pane(wire.Close(session=S), 4)
    await desk.until(lambda: desk.exports.submitted)
    assert desk.exports.submitted[0][1].items[0].source == "what ran"


async def test_where_a_machine_answers_nothing_inside_is_waited_for(desk):
    """A site without reviewers turns every request down: when the author hears it may not tell when the inside run ended."""
    desk.play = forever_play
    desk.agent(FakeExports(attended=False))
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    desk.pane(ask_export(), 3)
    await desk.until(lambda: desk.exports.turned_down)
    assert desk.exports.submitted == []


async def test_what_the_disk_does_not_take_is_written_later(monkeypatch):
    monkeypatch.setattr("twinpane_site.exports.RETRY_S", 0)
    problems = [StoreError("full"), StoreError("full")]

    def write():
        if problems:
            raise problems.pop()
        return "written"

    assert await until_stored(write) == "written"


async def test_a_request_that_is_refused_inside_stops_nothing(desk):
    exports = FakeExports()
    exports.problems = [SiteError("another author's")]
    desk.agent(exports)
    await ran(desk)
    desk.pane(ask_export(), 4)
    desk.pane(ask_export(request="d" * 32), 5)
    await desk.until(lambda: exports.submitted)


async def test_a_held_file_that_was_changed_is_handed_in_as_nothing(desk):
    async def play(_kernel, _cell):
        return Run(said("rows"))

    desk.play = play
    desk.agent()
    await ran(desk)
    await desk.until(lambda: desk.lines(LedgerEvent.held))
    [file] = (desk.folder / "held").rglob("*.gz")
    file.write_bytes(b"changed")
    desk.pane(ask_export(), 4)
    await desk.until(lambda: desk.exports.submitted)
    assert desk.exports.submitted[0][2] == [(Source.damaged, None)]


async def test_inside_files_are_read_without_following_links(desk, tmp_path):
    (tmp_path / "secret").write_text("of the host")
    desk.agent()
    await ran(desk)
    root = desk.launcher.volume(ANA).root
    (root / "real.txt").write_text("inside")
    (root / "link.txt").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    items = tuple(wire.ExportItem(path=path) for path in ("real.txt", "link.txt", "up/secret", "absent"))
    desk.pane(ask_export(*items), 4)
    await desk.until(lambda: desk.exports.submitted)
    assert [real for _, real in desk.exports.submitted[0][2]] == [b"inside", None, None, None]


async def test_decisions_reach_the_author_in_the_session_that_is_open(desk):
    """The notebook that asked is closed: its author's next one gets the decision, another's never, and until it says so."""
    desk.agent()
    await ran(desk)
    desk.pane(wire.Close(session=S), 4)
    await desk.until(lambda: desk.lines(LedgerEvent.closed))
    desk.pane(wire.Open(session=OTHER, seed=1), 1)
    desk.pane(wire.Open(session="d" * 32, seed=1), 1, BEN)
    desk.sent.clear()
    desk.glass.export(wire.Export(session=S, request="b" * 32, state="rejected"))
    keeping = asyncio.create_task(desk.agent_.keep_house())
    await desk.until(lambda: len([e for e in desk.of(wire.Export) if e.session == OTHER]) >= 2)
    desk.pane(wire.Received(session=OTHER, ids=(f"export:{'b' * 32}:rejected",)), 0)
    await desk.turns()
    desk.sent.clear()
    await asyncio.sleep(0.03)
    assert desk.of(wire.Export) == []
    keeping.cancel()
    assert not [e for e in desk.sent if getattr(e, "session", "") == "d" * 32 and isinstance(e, wire.Export)]


# ---------------------------------------------------------------- questions


async def test_the_broker_answers_a_question_without_a_kernel(desk):
    """A question is answered by the broker, and no kernel is asked."""
    asked = []

    async def broker(plan):
        asked.append(plan)
        return Refusal(site="a", plan_hash="0" * 64, code="withheld")

    desk.play = forever_play
    desk.agent(broker=broker)
    desk.pane(OPEN, 1)
    desk.pane(cell(1), 2)
    desk.pane(query(), 3)
    [released] = await desk.sent_of(wire.Released)
    assert released.result.status == "refused"
    assert len(asked) == 1


# ---------------------------------------------------------------- the code is the steward's


async def test_what_is_published_is_the_stewards_code_and_budget(tmp_path):
    desk = Desk(tmp_path, code=PrefixCode(first_tick_ms=7))
    desk.agent()
    desk.agent_.joined(("p", "another"))
    [published] = desk.of(wire.Catalogued)
    assert published.code.first_tick_ms == 7
    assert published.day_bits == 1024
    assert desk.lines(LedgerEvent.published)
    await desk.agent_.close()


async def test_only_projects_that_the_steward_accepted_are_published(desk):
    desk.agent()
    desk.agent_.joined(("another",))
    assert desk.of(wire.Catalogued) == []
