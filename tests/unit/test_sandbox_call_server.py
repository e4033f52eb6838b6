"""The calls socket answers requests, one at a time, and closes on whatever is none."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from twinpane_sandbox import call_server
from twinpane_sandbox.call_server import CallError, CallServer


class Host:
    """Answers calls and remembers how many ran at once."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.release = asyncio.Event()
        self.release.set()

    async def handle(self, call: str, args: dict[str, Any]) -> Any:
        self.seen.append((call, args))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.release.wait()
            await asyncio.sleep(0)
            if call == "refuse":
                raise CallError("withheld", "The site withholds it.")
            if call == "crash":
                raise RuntimeError(f"a secret path and {args}")
            return {"got": args}
        finally:
            self.running -= 1


@pytest.fixture
async def host() -> Host:
    return Host()


@pytest.fixture
async def server(tmp_path: Path, host: Host) -> AsyncIterator[CallServer]:
    server = CallServer(tmp_path / "calls.sock", host.handle)
    await server.start()
    yield server
    await server.close()


async def talk(server: CallServer, *lines: bytes) -> list[Any]:
    reader, writer = await asyncio.open_unix_connection(server.path, limit=2**24)
    try:
        writer.write(b"".join(lines))
        writer.write_eof()
        return [json.loads(line) for line in (await asyncio.wait_for(reader.read(), 10)).splitlines()]
    except (ConnectionError, BrokenPipeError):
        return []
    finally:
        writer.close()


def line(call: str, **args: Any) -> bytes:
    return json.dumps({"call": call, "args": args}).encode() + b"\n"


async def test_a_call_gets_its_value(server: CallServer, host: Host) -> None:
    assert await talk(server, line("query", plan=1)) == [{"ok": True, "value": {"got": {"plan": 1}}}]
    assert host.seen == [("query", {"plan": 1})]


async def test_calls_of_one_connection_are_answered_one_by_one(server: CallServer, host: Host) -> None:
    """Calls of one connection are answered in order and one at a time."""
    replies = await talk(server, *(line("query", n=n) for n in range(20)))
    assert [reply["value"]["got"]["n"] for reply in replies] == list(range(20))
    assert host.most == 1


async def test_a_refused_call_says_its_code_and_message(server: CallServer) -> None:
    """A refused call gets its code and message, and the connection goes on."""
    replies = await talk(server, line("refuse"), line("query"))
    assert replies[0] == {"ok": False, "error": "withheld", "message": "The site withholds it."}
    assert replies[1]["ok"]


async def test_a_failure_of_the_host_tells_the_kernel_nothing(server: CallServer, caplog: pytest.LogCaptureFixture) -> None:
    (reply,) = await talk(server, line("crash", row="patient 4711"))
    assert (reply["ok"], reply["error"]) == (False, "internal")
    assert "secret" not in json.dumps(reply)
    assert "4711" not in caplog.text


@pytest.mark.parametrize(
    "hostile",
    [
        b"\n",
        b"x\n",
        b"[]\n",
        b"1\n",
        b"null\n",
        b'{"call": "query"}\n',
        b'{"args": {}}\n',
        b'{"call": 1, "args": {}}\n',
        b'{"call": "", "args": {}}\n',
        b'{"call": "query", "args": []}\n',
        b'{"call": "query", "args": {}, "more": 1}\n',
        b'{"call": "query", "call": "reveal", "args": {}}\n',
        b'{"call": "query", "args": {"x": NaN}}\n',
        b'{"call": "query", "args": {"x": 1e999}}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"call": "' + b"q" * 41 + b'", "args": {}}\n',
        b'{"call": "query", "args": {}}',
    ],
)
async def test_what_is_no_request_closes_the_connection_without_a_call(server: CallServer, host: Host, hostile: bytes) -> None:
    """What is no request closes the connection and calls nothing."""
    assert await talk(server, hostile, line("query")) == []
    assert host.seen == []
    assert await talk(server, line("query"))


async def test_a_line_without_end_is_cut_off(server: CallServer, host: Host) -> None:
    _reader, writer = await asyncio.open_unix_connection(server.path)

    async def flood() -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(flood(), 10)
    writer.close()
    assert host.seen == []


async def test_a_request_of_up_to_a_mebibyte_is_taken(server: CallServer) -> None:
    (reply,) = await talk(server, line("query", text="x" * (2**20 - 100)))
    assert reply["ok"]


async def test_more_connections_than_allowed_are_closed_at_once(server: CallServer, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_server, "CONNECTIONS", 3)
    host.release.clear()
    tasks = [asyncio.create_task(talk(server, line("query", n=n))) for n in range(5)]
    done, _ = await asyncio.wait(tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    while len([task for task in tasks if task.done()]) < 2:
        await asyncio.sleep(0.01)
    host.release.set()
    replies = [reply for task in tasks for reply in await task]
    assert len(replies) == 3
    assert done


async def test_a_kernel_that_hangs_up_during_a_call_does_no_harm(server: CallServer, host: Host) -> None:
    """A kernel that hangs up in the middle of a call does no harm."""
    host.release.clear()
    _, writer = await asyncio.open_unix_connection(server.path)
    writer.write(line("query"))
    await writer.drain()
    while not host.seen:
        await asyncio.sleep(0.01)
    writer.close()
    host.release.set()
    assert await talk(server, line("query"))


async def test_closing_ends_open_calls_and_removes_the_socket(server: CallServer, host: Host) -> None:
    host.release.clear()
    task = asyncio.create_task(talk(server, line("query")))
    while not host.seen:
        await asyncio.sleep(0.01)
    await server.close()
    assert await task == []
    assert not server.path.exists()
    assert host.running == 0


async def test_it_answers_on_a_socket_that_it_is_given(host: Host, tmp_path: Path) -> None:
    """Who may open nothing any more was handed what listens."""
    path = tmp_path / "given.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        given = CallServer(None, host.handle)
        await given.start(listener)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line("query"))
        assert json.loads(await asyncio.wait_for(reader.readline(), 10))["ok"]
        await given.close()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_kernel_that_reads_no_answer_does_not_delay_the_end(server: CallServer, host: Host) -> None:
    """A kernel that never reads its answer does not delay the end.

    Closing waited for it without end: the kernel could not be closed, and the ledger had no line of it.
    """
    _reader, writer = await asyncio.open_unix_connection(server.path, limit=1)
    for _ in range(8):
        writer.write(line("query", text="x" * (2**20 - 100)))
    while len(host.seen) < 2:  # the answer to the first fills what the kernel does not read
        await asyncio.sleep(0.01)
        if len(host.seen) == 1 and not host.running:
            break
    await asyncio.wait_for(server.close(), 10)
    assert host.running == 0
    writer.close()
