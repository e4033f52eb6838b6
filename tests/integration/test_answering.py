"""The broker's process as the agent has it: real processes on a real site."""

import asyncio
import contextlib
import errno
import math
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.federation import PROJECT, USER, make_site, set_policy
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Release
from twinpane_broker.sql import parse_sql
from twinpane_site import keys
from twinpane_site.answering import broker_client as desks
from twinpane_site.answering.broker_client import BrokerClient
from twinpane_site.brokers import open_broker
from twinpane_site.config import KEYS, Project, Site, load_site
from twinpane_site.errors import ConfigError
from twinpane_site.freeze import materialise
from twinpane_site.parts import port as ports
from twinpane_site.signing import noise_secret, signed
from twinpane_wire.messages import Principal

ANA = Principal(user=USER, project=PROJECT)
MIA = Principal(user="mia", project="lung")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drafted site on 600 persons."""
    root = tmp_path_factory.mktemp("answering")
    (root / "data").mkdir()
    duckdb.execute(
        "COPY (SELECT i AS person_id, CASE WHEN i % 3 = 0 THEN 'F' ELSE 'M' END AS sex,"
        f" CASE WHEN i < 12 THEN 'low' ELSE 'high' END AS grade FROM range(600) t(i)) TO '{root}/data/person.parquet' (FORMAT parquet)"
    )
    return make_site(root / "site", "north", root / "data")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    """The site's folder, in a state that nobody asked anything of."""
    copied = tmp_path / "site"
    shutil.copytree(model, copied)
    return copied


def plan(site: Site, sql: str = "select sex, count(*) n from person group by sex") -> Plan:
    return parse_sql(sql, site.catalogue.published)


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[BrokerClient, Site]]:
    """The site's broker at work."""
    site = load_site(folder)
    desk = BrokerClient(site, keys.load(folder / KEYS), site.config.projects)
    try:
        await desk.open()
        yield desk, site
    finally:
        await desk.close()


async def told_by(desk: BrokerClient, plan: Plan) -> Any:
    """The desk's answer."""
    result, _ = await desk.ask(ANA, plan)
    return result


async def until(holds: Callable[[], Any], seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := holds()):
            await asyncio.sleep(0.01)
        return found


async def test_the_agent_signs_what_a_broker_in_its_process_would(folder: Path, tmp_path: Path) -> None:
    """The agent signs what a broker in one process would have signed.

    The same question has the same bytes, asked at the terminal or over the link.
    """
    async with opened(folder) as (desk, site):
        told = await told_by(desk, plan(site))
    key = keys.load(folder / KEYS)
    broker = open_broker(
        site, site.catalogue.published, materialise(site.config, site.catalogue, folder), noise_secret(key), PROJECT,
        lambda release: signed(release, key),
    )  # fmt: skip
    assert isinstance(told, Release)
    assert told.canonical() == broker.run(plan(site)).canonical()
    assert keys.verify(key.public_hex, b"twinpane-release:" + told.content, told.signature)


async def test_the_process_has_no_key(folder: Path) -> None:
    """It signs nothing: no byte of the site's private key is in its memory."""
    async with opened(folder) as (desk, site):
        await told_by(desk, plan(site))
        secret = keys.load(folder / KEYS)._private.private_bytes_raw()
        assert secret not in _memory(desk.pid)
        assert site.config.id.encode() in _memory(desk.pid), "the search finds what is there"


def _memory(pid: int | None) -> bytes:
    """All that a process can write to."""
    content = bytearray()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            begin, end = (int(part, 16) for part in place.split("-"))
            if rights.startswith("rw") and end - begin < 2**27:
                with contextlib.suppress(OSError):
                    memory.seek(begin)
                    content += memory.read(end - begin)
    return bytes(content)


async def test_a_refusal_comes_as_it_is(folder: Path) -> None:
    """What the rules withhold is withheld, in the one fixed text."""
    async with opened(folder) as (desk, site):
        told = await told_by(desk, plan(site, "select count(distinct person_id) n from person where grade = 'low' and sex = 'F'"))
    assert told.status == "refused"
    assert told.code == "withheld"


async def test_the_next_process_answers_what_was_under_way(folder: Path) -> None:
    """kill -9 of the broker costs time, and no answer; the memory gives the same bytes again."""
    async with opened(folder) as (desk, site):
        before = await told_by(desk, plan(site))
        died = desk.pid
        os.kill(died, signal.SIGSTOP)
        asked = [asyncio.create_task(told_by(desk, plan(site))) for _ in range(2)]
        await until(lambda: len(desk._alarms) == 2)
        os.kill(died, signal.SIGKILL)
        again = await asyncio.wait_for(asyncio.gather(*asked), 60)
        assert desk.pid != died
    assert [each.canonical() for each in again] == [before.canonical()] * 2


async def test_a_question_that_kills_the_process_twice_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One question cannot keep a site's broker from answering others."""
    killed = set()
    give = desks.Asked.model_dump

    def stopping(asked: Any, **more: Any) -> Any:
        if asked.question == 1:  # the process stands still from the moment at which it gets the first question
            os.kill(desk.pid, signal.SIGSTOP)
            killed.add(desk.pid)
        return give(asked, **more)

    monkeypatch.setattr(desks.Asked, "model_dump", stopping)
    monkeypatch.setattr(desks, "LONGEST_S", 1.0)
    async with opened(folder) as (desk, site):
        told = await asyncio.wait_for(told_by(desk, plan(site)), 60)
        assert (told.status, told.code) == ("refused", "unavailable")
        assert len(killed) == 2
        monkeypatch.setattr(desks, "LONGEST_S", 60.0)
        assert (await asyncio.wait_for(told_by(desk, plan(site)), 60)).status == "released"
    assert "died of a question" in caplog.text


async def test_a_question_that_cannot_be_sent_is_asked_in_a_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A question that cannot be sent for now is asked in a moment.

    What another session's kernel keeps under way filled the user's share of descriptors: the question counted as asked for 900 s, then
    the broker's process was killed for it.
    """
    monkeypatch.setattr(ports, "PATIENCE_S", 0.1)
    monkeypatch.setattr(desks, "AGAIN_S", 0.05)
    async with opened(folder) as (desk, site):
        pid, send = desk.pid, socket.send_fds
        tried: list[None] = []

        def full(*_: Any) -> int:
            tried.append(None)
            raise OSError(errno.ETOOMANYREFS, "Too many references: cannot splice")

        monkeypatch.setattr(socket, "send_fds", full)
        asked = [asyncio.create_task(told_by(desk, plan(site))) for _ in range(2)]
        await until(lambda: len(tried) > 12)
        monkeypatch.setattr(socket, "send_fds", send)
        assert [each.status for each in await asyncio.wait_for(asyncio.gather(*asked), 60)] == ["released"] * 2
        assert desk.pid == pid
        assert desk._alarms == {}
    assert sum("cannot be handed" in line for line in caplog.messages) == 1


async def test_a_broker_that_cannot_be_started_is_started_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that cannot be started for now is started later.

    An error of the system at its start ended the task that starts it: no question was answered until the site was started anew.
    """
    async with opened(folder) as (desk, site):
        start, failed = desks.start_part, []

        def full(*given: Any, **more: Any) -> Any:
            if not failed:
                failed.append(None)
                raise OSError(errno.EMFILE, "Too many open files")
            return start(*given, **more)

        monkeypatch.setattr(desks, "start_part", full)
        os.kill(desk.pid, signal.SIGKILL)
        await until(lambda: failed and desk.pid)
        await until(lambda: desk.answers)
        assert (await asyncio.wait_for(told_by(desk, plan(site)), 60)).status == "released"


@pytest.mark.parametrize("fault", ["policy", "data"])
async def test_a_broker_that_cannot_start_keeps_the_site_from_it(folder: Path, fault: str) -> None:
    """The other process sends the steward its reason in words."""
    if fault == "policy":
        (folder / "broker").mkdir()
        (folder / "broker" / "memory.db").write_bytes(b"not a database, and longer than a header of one" * 100)
    else:
        (folder.parent / "nothing").mkdir()
        text = (folder / "site.toml").read_text().splitlines()
        (folder / "site.toml").write_text("\n".join(f'source = "{folder.parent}/nothing"' if x.startswith("source") else x for x in text))
    with pytest.raises(Exception, match=r"person|memory|broker") as said:
        async with opened(folder):
            pass
    assert type(said.value).__name__ in ("ConfigError", "StoreError")


async def test_a_process_that_ends_before_it_has_started_is_said_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No site runs without its broker."""
    monkeypatch.setattr(desks, "MODULE", "this")
    with pytest.raises(ConfigError, match="ended before it had started"):
        async with opened(folder):
            pass


async def test_the_process_ends_with_the_desk(folder: Path) -> None:
    """Nothing that holds rows stays behind."""
    async with opened(folder) as (desk, _):
        pid = desk.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_an_answer_has_the_next_tick_of_the_grid_for_its_moment(folder: Path) -> None:
    """How long the broker took tells no more than the tick."""
    set_policy(folder, "first_reply_ms", 7)
    async with opened(folder) as (desk, site):
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        _, moment = await desk.ask(ANA, plan(site), arrived)
        ended = loop.time()
    ticks = (moment - arrived) / 0.007
    assert ticks == pytest.approx(2 ** round(math.log2(ticks)))
    assert moment >= ended - 0.007, "the answer was there before its moment"
    assert moment - arrived <= max(0.007, 2 * (ended - arrived))


# ---------------------------------------------------------------- projects that come and go


async def test_a_new_project_gets_answers_from_a_second_process(folder: Path) -> None:
    """The first one answers until the second is ready; no question is lost, and none is blamed for the change."""
    async with opened(folder) as (desk, site):
        first, lung = desk.pid, Project(id="lung", members=("mia",))
        told = await told_by(desk, plan(site))
        asked = plan(site, "select grade, count(*) n from person group by grade")
        assert (await desk.ask(MIA, asked))[0].status == "refused"
        serving = asyncio.create_task(desk.serve((*site.config.projects, lung)))
        while not serving.done():
            assert (await told_by(desk, plan(site))).canonical() == told.canonical()
        await serving
        await until(lambda: desk.pid not in (first, None))
        answer, _ = await desk.ask(MIA, asked)
        assert isinstance(answer, Release)
        assert (await told_by(desk, plan(site))).canonical() == told.canonical()


async def test_a_project_that_ends_gets_no_answer_and_costs_no_process(folder: Path) -> None:
    """At once, and without a new start; a table that was taken back is not asked of the process that still has it."""
    async with opened(folder) as (desk, site):
        first = desk.pid
        await desk.serve(())
        assert (await told_by(desk, plan(site))).status == "refused"
        assert desk.pid == first
        await desk.serve(site.config.projects)
        assert isinstance(await told_by(desk, plan(site)), Release)
        assert desk.pid == first
        narrowed = site.config.projects[0].model_copy(update={"tables": ()})
        serving = asyncio.create_task(desk.serve((narrowed,)))
        await asyncio.sleep(0)
        assert (await told_by(desk, plan(site))).status == "refused"
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_project_that_cannot_be_served_takes_nobodys_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that answers goes on; the new project waits."""
    async with opened(folder) as (desk, site):
        first = desk.pid
        monkeypatch.setattr(desks, "MODULE", "twinpane_site.nothing")
        with pytest.raises(ConfigError):
            await desk.serve((*site.config.projects, Project(id="lung", members=("mia",))))
        assert isinstance(await told_by(desk, plan(site)), Release)
        assert desk.pid == first
        assert (await desk.ask(MIA, plan(site)))[0].status == "refused"
