"""Requests are made readable in a worker that the site outlives: what it cannot do in time or in memory is no form, and is tried once."""

import asyncio
import errno
import gzip
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image
from review_factories import AUTHOR, A, Site, make_site, picture, png, stream, twin

from twinpane_review.item_pairs import ItemPairs, NotItemPairs, Pair, pack, unpack
from twinpane_review.item_worker import TOO_LONG
from twinpane_review.open_request_limit import OpenRequestLimit
from twinpane_review.submissions import Submissions
from twinpane_review.worker_runner import Limits, WorkerRunner
from twinpane_site.attempt_log import AttemptLog
from twinpane_site.exports import Asked, Kind, Source
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.parts.fork_server import ForkServer
from twinpane_wire.items import Form
from twinpane_wire.messages import ExportAsk, ExportItem


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


@pytest.fixture
def workshop() -> Iterator[WorkerRunner]:
    made = WorkerRunner()
    yield made
    made.close()


def on_disk(content: bytes) -> int:
    """A descriptor of a file with this content."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())


def held(outputs: list[object], damaged: bool = False) -> Source:
    """What the held store hands out."""
    content = json.dumps({"dropped": 0, "outputs": outputs}).encode()
    packed = gzip.compress(content)[: 10 if damaged else None]
    return Source(Kind.held, on_disk(packed), hashlib.sha256(content).hexdigest(), len(content))


def file(content: bytes) -> Source:
    return Source(Kind.file, on_disk(content))


def asked(ask: ExportAsk, *sources: Source) -> Asked:
    return Asked(AUTHOR, "stroke", ask, ask.model_dump_json().encode, lambda: sources)


def desk_of(site: Site, workshop: WorkerRunner) -> Submissions:
    """A desk as after a start, at which everybody has room for one more request."""
    admitting = OpenRequestLimit(site.db, site.ledger, site.sent.append, site.clock, most=10)
    return Submissions(site.review, admitting, workshop, AttemptLog(site.db, site.ledger), site.clock)


def blank() -> bytes:
    out = io.BytesIO()
    Image.new("1", (4000, 4000), 1).save(out, "PNG")
    return out.getvalue()


async def test_the_worker_makes_what_lies_inside_beside_its_twins(site: Site, workshop: WorkerRunner) -> None:
    ask = site.ask(
        ExportItem(cell=7, twins=(twin("png", png("red")), twin("text", b"made up\n"))), ExportItem(path="a.csv"), ExportItem(cell=8),
        ExportItem(cell=9), ExportItem(path="none.txt"),
    )  # fmt: skip
    made = await workshop.make(
        asked(ask, held([stream("real\u202e\n"), picture(png())]), file(b"a;n\nx;1\n"), held([], damaged=True), Source(Kind.damaged),
              Source(Kind.nothing))
    )  # fmt: skip
    text, image = made[0].pairs
    assert (text.real, text.twin) == ("real⟨U+202E⟩\n".encode(), b"made up\n")
    assert image.twin is not None
    assert image.real != image.twin
    assert made[1].pairs[0].real == b"a,n\nx,1\n"
    assert ["damaged" in made[n].left_out[0][1] for n in (2, 3, 4)] == [True, True, False]


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"outputs":7}', b"{"])
async def test_held_bytes_in_another_form_cost_only_their_own_item(site: Site, workshop: WorkerRunner, content: bytes) -> None:
    """A reader that a hostile kernel took over packs what it likes. Before, the worker ended over it, and later items were set aside."""
    wrong = Source(Kind.held, on_disk(gzip.compress(content)), hashlib.sha256(content).hexdigest(), len(content))
    made = await workshop.make(asked(site.ask(ExportItem(cell=7), ExportItem(cell=8)), wrong, held([stream("a\n")])))
    assert "damaged" in made[0].left_out[0][1]
    assert made[1].pairs[0].real == b"a\n"


async def test_a_worker_out_of_time_is_ended_and_its_work_stays(site: Site) -> None:
    """A worker that is out of time is ended, and what it made stays.

    Before, the site itself was out of time. No process of the box is left behind.
    """
    workshop = WorkerRunner(Limits(cpu_s=2))
    try:
        ask = site.ask(ExportItem(cell=7), *(ExportItem(path=f"{n}.png") for n in range(20)))
        made = await workshop.make(asked(ask, held([stream("a\n")]), *(file(blank()) for _ in range(20))))
        assert made[0].pairs[0].real == b"a\n"
        assert len(made) < 21
        boxes = [child for child in psutil.Process().children(recursive=True) if child.name() == "bwrap"]
        psutil.wait_procs(boxes, timeout=10)
        assert not [box for box in boxes if box.is_running()]
        again = await workshop.make(asked(site.ask(ExportItem(cell=7)), held([stream("b\n")])))
        assert again[0].pairs[0].real == b"b\n"
    finally:
        workshop.close()


async def test_without_a_worker_a_request_comes_without_its_items(
    site: Site, workshop: WorkerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request was once lost until the site restarted. The loop that acknowledges must not wait for a fork."""

    def full(*_: object, **__: object) -> None:
        time.sleep(0.5)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(ForkServer, "fork", full)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    beside = asyncio.create_task(others())
    assert await workshop.make(asked(site.ask(ExportItem(cell=7)), held([stream("a\n")]))) == {}
    beside.cancel()
    assert turns > 20


async def test_what_does_not_fit_into_the_workers_memory_is_no_form(site: Site) -> None:
    """20 million empty lists are 60 MB held and 1.4 GB once read (here: a quarter of both). The other items are made."""
    workshop = WorkerRunner(Limits(memory=256 * 2**20))
    try:
        ask = site.ask(ExportItem(cell=7), ExportItem(cell=8))
        content = b'{"dropped":0,"outputs":[' + b"[]," * 5_000_000 + b"[]]}"
        large = Source(Kind.held, on_disk(gzip.compress(content, 1)), hashlib.sha256(content).hexdigest(), len(content))
        made = await workshop.make(asked(ask, large, held([stream("a\n")])))
        assert made[0].left_out == (("cell 7", TOO_LONG),)
        assert made[1].pairs[0].real == b"a\n"
    finally:
        workshop.close()


async def test_a_request_under_way_ends_with_who_waits_for_it(site: Site, workshop: WorkerRunner) -> None:
    ask = site.ask(*(ExportItem(path=f"{n}.png") for n in range(20)))
    task = asyncio.create_task(workshop.make(asked(ask, *(file(blank()) for _ in range(20)))))  # noqa: RUF006 - kept until it is done
    await asyncio.wait([task], timeout=0.5)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert task in done
    assert task.cancelled()


async def test_a_fork_server_that_is_gone_is_replaced(site: Site, workshop: WorkerRunner) -> None:
    psutil.Process(workshop._fork_server.pid).kill()
    made = await workshop.make(asked(site.ask(ExportItem(cell=7)), held([stream("a\n")])))
    assert made[0].pairs[0].real == b"a\n"


async def test_a_request_that_killed_an_earlier_life_is_set_aside(site: Site, workshop: WorkerRunner) -> None:
    """The request had been tried: its mark was on the disk before the work began."""
    ask = site.ask(ExportItem(cell=7))
    AttemptLog(site.db, site.ledger).begin(f"request:{ask.request}", site.clock())
    desk = desk_of(site, workshop)
    await desk.submit(asked(ask, held([stream("a\n")])))
    [item] = site.review.peek(A, ask.request).request.items
    assert item.form is None
    assert [entry.body["request"] for entry in site.ledger.entries(LedgerEvent.set_aside)] == [ask.request]
    await desk.submit(asked(site.ask(ExportItem(cell=7)), held([stream("a\n")])))
    assert len(list(site.ledger.entries(LedgerEvent.set_aside))) == 1
    assert not AttemptLog(site.db, site.ledger).fatal(f"request:{ask.request}")


async def test_a_request_is_marked_while_it_is_worked_on(site: Site, workshop: WorkerRunner) -> None:
    ask = site.ask(ExportItem(cell=7))
    seen = []

    def sources() -> tuple[Source, ...]:
        seen.append(AttemptLog(site.db, site.ledger).fatal(f"request:{ask.request}"))
        return (held([stream("a\n")]),)

    desk = desk_of(site, workshop)
    await desk.submit(Asked(AUTHOR, "stroke", ask, ask.model_dump_json().encode, sources))
    assert seen == [True]
    assert not AttemptLog(site.db, site.ledger).fatal(f"request:{ask.request}")


@pytest.mark.parametrize(
    "remade",
    [
        ItemPairs((Pair(Form.text, "x", b"a\xff\n"),)),
        ItemPairs((Pair(Form.text, "x", "a\u202eb\n".encode()),)),
        ItemPairs((Pair(Form.csv, "x", b"a\x1b[31m\n"),)),
        ItemPairs((Pair(Form.text, "x", b"a\n", b"\x00"),)),
        ItemPairs((Pair(Form.png, "x", b"<svg/>"),)),
        ItemPairs((Pair(Form.text, "x", b"a" * 600_000),)),
        ItemPairs(tuple(Pair(Form.png, "x", b"\x89PNG\r\n\x1a\n" + bytes(5 * 2**20)) for _ in range(3))),
    ],
)
def test_a_hostile_worker_cannot_hand_in_a_false_form(remade: ItemPairs) -> None:
    """A worker under hostile control cannot hand in content that does not fit its form."""
    with pytest.raises(NotItemPairs):
        unpack(pack(remade))


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"\xff" + b[1:], lambda _: b"", lambda b: b[:4] + b"{}"]
)
def test_what_is_not_packed_whole_is_refused(damage: object) -> None:
    with pytest.raises(NotItemPairs):
        unpack(damage(pack(ItemPairs((Pair(Form.text, "x", b"a\n", b"b\n"),), (("y", "z"),)))))  # type: ignore[operator]


def test_what_was_made_comes_out_of_its_bytes_as_it_was() -> None:
    made = ItemPairs((Pair(Form.text, "x", b"a\n", b"b\n"), Pair(Form.csv, "é", b"a,b\n")), (("y", "z"),))
    assert unpack(pack(made)) == made
