"""All that the outside gets of one program: what left the site, came to the client, lies on the outside's disk; and what was metered."""

import asyncio
import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.federation import federation
from harness.notebook import is_strip, notebook
from harness.tap import Tap
from twinpane_wire.canonical import OUTPUT_TYPES, DisplayNames, Outputs
from twinpane_wire.prefix_code import Outcome, PrefixCode, lines_of

from .grammar.steps import SETUP, Program
from .player import Player

METERED = ("verdict", "reveal")
NOISE = re.compile(
    r"(0x|(?<= object at ))[0-9a-f]{6,}|/tmp/ipykernel_\d+|/tmp/tmp\w+"
    r"|\b[0-9a-f]{8}-?([0-9a-f]{24}|[0-9a-f]{4}-[0-9a-f-]{22})(?![0-9a-zA-Z])"
    r"|\d+\.\d+ ?[mµn]?s\b|'date': datetime\.datetime\([^()]*\)"
)
"""What differs between two runs of any kernel: addresses, process numbers, ids drawn from the system's own randomness (an id of a
message is one, with two numbers after it), and when the client says that it sent a message."""
CLOCKED = ("usage_reply", "history_reply", "debug_reply")
"""Replies whose numbers are the machine's: memory in use, sessions of a history, ports."""


@dataclass
class Transcript:
    """What was seen of one run."""

    crossings: list[dict[str, Any]]
    """What left the site, in order."""
    client: dict[str, list[str]]
    """What the client got: ``shown`` by cell, and each kind of reply."""
    disk: dict[str, str]
    """Files of the outside, by path: their digests."""
    raw: str
    """All of it as one text, strips and metered crossings too, for a search."""
    asked: int
    """Messages that the site got, but for the last, which closes the session."""
    sources: dict[int, str]
    left: float
    spent: float
    silent: float
    """Bits charged for what never left."""
    secret: bytes
    """What the first cell made of the rows. Nobody outside has it: a decoder is judged by it."""

    @property
    def metered(self) -> list[dict[str, Any]]:
        """The verdicts and reveals, in order."""
        return [body for body in self.crossings if body["kind"] in METERED]

    @property
    def acknowledged(self) -> list[int]:
        """Numbers acknowledged, in order."""
        return [body["n"] for body in self.crossings if body.get("code") == "ack"]

    def features(self) -> dict[str, str]:
        """Everything that is not metered, each part by a name: two runs that agree in all of them cannot be told apart by content,
        number or order.

        In which order verdicts and reveals leave follows from their ticks, which are metered, and from draws. The last message closes
        the session; whether its acknowledgement was still on its way when the agent was ended is our own clock.
        """
        rest = [body for body in self.crossings if body["kind"] not in METERED and body.get("code") != "ack"]
        found = {f"link: {kind}": canonical([b for b in rest if b["kind"] == kind]) for kind in {b["kind"] for b in rest}}
        found["link: verdicts of which cells"] = canonical(sorted(body["cell"] for body in self.metered if body["kind"] == "verdict"))
        found["link: reveals of which calls"] = canonical(sorted([b["cell"], b["call"]] for b in self.metered if b["kind"] == "reveal"))
        found["link: acknowledged"] = canonical([min(max(self.acknowledged), self.asked), sorted(self.acknowledged) == self.acknowledged])
        found["link: asked"] = str(self.asked)
        found |= {f"client: {kind}": canonical(said) for kind, said in self.client.items()}
        return found | {f"disk: {path}": digest for path, digest in self.disk.items()}

    def code_length(self) -> float:
        """Bits of all verdicts and reveals, by the published code."""
        code, bits = PrefixCode(), 0.0
        for body in self.metered:
            source = self.sources[body["cell"]]
            if body["kind"] == "verdict":
                bits += code.verdict_bits(Outcome(body["outcome"]), body["tick"], lines_of(source))
            else:
                digits = re.search(r"digits=(\d)", source)
                assert digits
                bits += code.reveal_bits(int(digits[1]), body["tick"])
        return bits


async def transcript(folder: Path, workspace: Path, kernelspec: Path, program: Program, seconds: float = 240) -> Transcript:
    """Run a program against one site, and keep all that can be seen."""
    workspace.mkdir()
    async with federation({"a": folder}) as sites:
        async with notebook(sites.environment(workspace, TWINPANE_SEED="7"), workspace, kernelspec) as pad:
            player = Player(pad)
            await player.play(program)
            cells = await pad.settled(seconds)
            await pad.drain()
            tap = sites.sites["a"].tap
            await all_acknowledged(tap)
        await sites.sites["a"].stop()
    frames = [json.loads(frame) for frame in tap.out]
    assert {frame.get("kind") for frame in frames} <= {None, "hello"}, "the handshake and envelopes are all there is"
    assert all(set(frame) == {"v", "body"} for frame in frames if "body" in frame)
    bodies = [frame["body"] for frame in frames if "body" in frame]
    session = next(body["session"] for body in bodies if "session" in body)
    crossings = [json.loads(json.dumps(body).replace(session, "SESSION")) for body in bodies]
    into = [frame for frame in map(json.loads, tap.into) if frame.get("n")]
    spent, silent = _metered(folder)
    return Transcript(
        crossings, seen(player.heard, pad.received), on_disk(workspace),
        "\n".join([*tap.out, *map(str, player.heard), *map(str, pad.received), *_texts(workspace)]),
        max(frame["n"] for frame in into if frame["body"]["kind"] != "close"),
        {cell["cell"]: player.sources.get(request, "") for request, cell in cells.items()},
        min((body["left"] for body in crossings if body["kind"] in METERED), default=0), spent, silent, secret_of(folder),
    )  # fmt: skip


async def all_acknowledged(tap: Tap, seconds: float = 30) -> None:
    """Wait until the site has acknowledged all that it was sent: that takes its slots a while."""
    async with asyncio.timeout(seconds):
        while True:
            sent = max((frame["n"] for frame in map(json.loads, tap.into) if frame.get("n")), default=0)
            acks = (frame["body"]["n"] for frame in map(json.loads, tap.out) if frame.get("body", {}).get("code") == "ack")
            if max(acks, default=0) >= sent:
                return
            await asyncio.sleep(0.2)


def secret_of(folder: Path) -> bytes:
    """The secret that the first cell makes of a site's rows."""
    person = pd.read_parquet(next(folder.glob("snapshots/*/person.parquet")))
    return hashlib.sha256(pd.util.hash_pandas_object(person).values.tobytes()).digest()


async def secret_of_the_twin(folder: Path, workspace: Path, kernelspec: Path) -> str:
    """The secret that the first cell makes of the twin, as anybody outside can see it."""
    workspace.mkdir()
    async with (
        federation({"a": folder}) as sites,
        notebook(sites.environment(workspace, TWINPANE_SEED="7"), workspace, kernelspec) as pad,
    ):
        ran = await pad.run(f"%%twin\n{SETUP.substitute(twin='')}print(secret.hex())")
        assert re.fullmatch(r"[0-9a-f]{64}\n?", ran.text), ran.text
        return ran.text.strip()


def _metered(folder: Path) -> tuple[float, float]:
    book = sqlite3.connect(folder / "site.db")
    try:
        spent = sum(cost for (cost,) in book.execute("SELECT cost FROM meter WHERE state = 'spent'")) / 1_000_000
        entries = [json.loads(entry) for (entry,) in book.execute("SELECT body FROM ledger WHERE kind = 'silent'")]
    finally:
        book.close()
    return spent, sum(entry.get("bits", 0.0) for entry in entries)


def canonical(value: Any) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, default=str)


def seen(heard: list[dict[str, Any]], received: list[dict[str, Any]]) -> dict[str, list[str]]:
    """All that the client got but headers and strips: what was shown, in the order of cells, and what each channel answered.

    How a stream was cut into messages, and which channel was quicker, is the kernel's clock: streams are joined, channels apart.
    """
    names = DisplayNames()
    shown: dict[str, Outputs] = {}
    answered: dict[str, list[str]] = {}
    for message in heard:
        kind, content = message["msg_type"], message["content"]
        if is_strip(message) or kind == "status":
            continue
        if kind in OUTPUT_TYPES:
            shown.setdefault(message["parent_header"].get("msg_id", ""), Outputs(names)).add(kind, content, _buffers(message))
        else:
            answered.setdefault(kind, []).append(quiet(canonical(content)))
    for message in received:
        kind = message["msg_type"]
        if message["parent_header"] and kind.endswith(("_reply", "_request")) and kind != "twinpane_cells_reply":
            text = quiet(canonical(message["content"]))
            answered.setdefault(kind, []).append(re.sub(r"\d+(\.\d+)?", "…", text) if kind in CLOCKED else text)
    answered["shown"] = [quiet(canonical(list(outputs))) for outputs in shown.values()]
    return answered


def _buffers(message: Mapping[str, Any]) -> list[bytes]:
    return [bytes(buffer) for buffer in message.get("buffers", ())]


def quiet(text: str) -> str:
    """A text without what differs between any two runs."""
    return NOISE.sub("…", text)


def on_disk(workspace: Path) -> dict[str, str]:
    """What lies in the workspace, by path: digests of files, less the noise in their texts, and targets of links."""
    found = {}
    for path in sorted(workspace.rglob("*")):
        name = str(path.relative_to(workspace))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(quiet(path.read_bytes().decode("latin-1")).encode()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "neither file nor folder"
    return found


def _texts(workspace: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in workspace.rglob("*") if path.is_file() and not path.is_symlink()]
