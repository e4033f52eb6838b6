"""Export requests made to be expensive: whatever is asked for, the site answers, ends when it is told to, and comes back.

Items used to be made readable in the agent's own event loop. One request for what ``print('a' + '\\u0316\\u0300' * 150000)`` had said froze
the site for hours (27 s for 40,000 pairs), twenty blank pictures of 16 megapixels (162 kB) for 20 s, a JPEG of 94 kB with thousands of
passes for minutes. SIGTERM did nothing meanwhile, and each start replayed the request, so that the site did not come back.
"""

import asyncio
import base64
import io
import json
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from harness.federation import Federation, federation, make_site
from harness.raw_pane import RawPane, raw_pane
from twinpane_hub.data.make import make_data
from twinpane_site.ledger_verification import verify
from twinpane_wire import messages as wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MARKS = r"print('a' + '\u0316\u0300' * 150000)"
ACK_S = 5.0
"""Seconds for any acknowledgement on a loaded machine; it takes milliseconds."""
STOP_S = 15.0


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def many_passes() -> bytes:
    """A JPEG of 16 megapixels that goes over them 1,300 times, in 145 kB."""
    jpeg = encoded(Image.new("RGB", (4000, 4000), (9, 9, 9)), "JPEG", progressive=True)
    begins = [n for n in range(len(jpeg)) if jpeg[n : n + 2] == b"\xff\xda"]
    return jpeg[:-2] + jpeg[begins[8] : begins[9]] * 1300 + b"\xff\xd9"


def blanks(count: int = 20) -> tuple[wire.TwinItem, ...]:
    """Blank pictures of 16 megapixels, 9 kB each."""
    blank = base64.b64encode(encoded(Image.new("1", (4000, 4000), 1), "PNG")).decode()
    return tuple(wire.TwinItem(form="png", content=blank) for _ in range(count))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Federation]:
    make_data(tmp_path / "data", persons=60, seed=1)
    make_site(tmp_path / "site", "a", tmp_path / "data")
    async with federation({"a": tmp_path / "site"}) as sites:
        yield sites


def ask(pane: RawPane, *items: wire.ExportItem) -> wire.ExportAsk:
    return wire.ExportAsk(session=pane.session, request=secrets.token_hex(16), purpose="figure 2", items=items)


async def slowest_acknowledgement(pane: RawPane, count: int = 40) -> float:
    """Seconds of the slowest of that many, one after another."""
    slowest = 0.0
    for _ in range(count):
        n = await pane.send(wire.Interrupt(session=pane.session, cell=0))
        slowest = max(slowest, await pane.acked(n))
        await asyncio.sleep(0.05)
    return slowest


def rows(folder: Path, sql: str) -> list[tuple]:
    connection = sqlite3.connect(f"file:{folder / 'site.db'}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def taken_in(folder: Path, request: str, seconds: float = 120) -> dict[int, str]:
    """Wait until reviewers have a request; returns, by item, why parts of it have no readable form."""
    async with asyncio.timeout(seconds):
        while True:
            found = rows(folder, f"SELECT idx, left_out FROM review_ask WHERE request = '{request}'")
            if found:
                return {index: " / ".join(why for _, why in json.loads(left)) for index, left in found}
            await asyncio.sleep(0.2)


async def test_a_request_may_cost_what_it_will_and_the_site_goes_on(running: Federation) -> None:
    """Acknowledgements go on, SIGTERM ends the site at once, the next start is in order, and reviewers see what has no readable form."""
    site = running.sites["a"]
    async with raw_pane(running.url, "a") as pane:
        await pane.send(wire.Open(session=pane.session, seed=1))
        picture = wire.WorkspaceFile(path="x.jpg", content=base64.b64encode(many_passes()).decode())
        cell = wire.Cell(session=pane.session, cell=1, msg_id="m1", source=MARKS, files=(picture,))
        await pane.acked(await pane.send(cell))
        asked = ask(pane, wire.ExportItem(cell=1, twins=blanks()), wire.ExportItem(path="x.jpg", twins=blanks()))
        await pane.acked(await pane.send(asked))
        assert await slowest_acknowledgement(pane) < ACK_S
        why = await taken_in(site.folder, asked.request)
        assert "KiB of text" in why[0]
        assert "passes" in why[1]
        second = ask(pane, wire.ExportItem(cell=1, twins=blanks()))
        await pane.acked(await pane.send(second))
        began = time.monotonic()
        await site.stop()
        assert time.monotonic() - began < STOP_S
    assert site.process is not None
    assert site.process.returncode == 0, site.log[-2000:]
    await site.start()
    await running.all_joined()
    assert "KiB of text" in (await taken_in(site.folder, second.request))[0]
    await site.stop()
    assert verify(site.folder).ok


async def test_a_site_starts_whatever_lies_in_its_boxes(running: Federation) -> None:
    """A message, a session and a crossing of another version, and held outputs that were damaged: each stopped every start before.

    They are set aside once, each with its line in the ledger, and the session that has them goes on.
    """
    site = running.sites["a"]
    async with raw_pane(running.url, "a") as pane:
        await pane.send(wire.Open(session=pane.session, seed=1))
        await pane.send(wire.Cell(session=pane.session, cell=1, msg_id="m1", source="print('rows')"))
        await pane.acked(await pane.send(wire.Cell(session=pane.session, cell=2, msg_id="m2", source="2")))
        await pane.send(wire.Twin(session=pane.session, cell=1, outputs="0" * 64, calls=0))
        await pane.until(lambda: pane.said(wire.Verdict), 60)
        await site.stop()
        with sqlite3.connect(site.folder / "site.db") as db:
            db.execute("""UPDATE inbox SET body = '{"kind":"cell","of":"another version"}' WHERE n = 3""")
            db.execute("INSERT INTO session (id, user, project, opened) VALUES (?, 'not a name!', 'p', '2020')", ("e" * 32,))
            crossing = ("verdict:x:1", "e" * 32, "2020", '{"kind":"older"}')
            db.execute("INSERT INTO outbox (id, session, time, body) VALUES (?, ?, ?, ?)", crossing)
        for file in (site.folder / "held").rglob("*.gz"):
            file.write_bytes(b"damaged")
        for _ in range(2):
            await site.start()
            await running.all_joined()
            asked = ask(pane, wire.ExportItem(cell=1), wire.ExportItem(cell=2))
            await pane.acked(await pane.send(asked))
            assert "damaged" in (await taken_in(site.folder, asked.request))[0]
            await site.stop()
        aside = [json.loads(body) for (body,) in rows(site.folder, "SELECT body FROM ledger WHERE kind = 'set_aside' ORDER BY seq")]
        assert [line["what"] for line in aside] == ["session", "crossing", "message"]
        assert verify(site.folder).ok
