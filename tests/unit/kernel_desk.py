"""A pane without processes: a relay and a link that the test plays, and messages as clients and kernels send them."""

import itertools
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_kernel.message import Message
from twinpane_kernel.pane import Pane
from twinpane_sandbox import protocol
from twinpane_sandbox.environment import environment
from twinpane_site.keys import SiteKey
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import PrefixCode

KEY = b"clients-key"
SITE_KEYS = {name: SiteKey(Ed25519PrivateKey.from_private_bytes(name.encode() * 32)) for name in ("a", "b")}
WIDGET = "application/vnd.jupyter.widget-view+json"

_ids = itertools.count(1)


def message(msg_type: str, content: Any, parent: dict[str, Any] | None = None, key: bytes = KEY, msg_id: str = "", **more: Any) -> Message:
    """A message as it stands on the wire."""
    head = protocol.header(msg_type, "client", msg_id or f"id-{next(_ids)}")
    frames = protocol.frames(key, head, content, parent or {}, **more)
    return Message((b"client",), tuple(frames), head)


def catalogued(site: str = "a", key: str | None = None, **more: Any) -> wire.Catalogued:
    """What a site published."""
    given = {"project": "p", "code": PrefixCode(), "environment": environment(), "day_bits": 1024, "total_bits": 9999, **more}
    catalogue = Catalogue(site=site, snapshot="s", persons=100, tables=())
    return wire.Catalogued(catalogue=catalogue, public_key=key or SITE_KEYS[site].public_hex, **given)


def state(site: str = "a", online: bool = True, **more: Any) -> wire.SiteState:
    return wire.SiteState(site=site, title=f"Site {site.upper()}", online=online, catalogued=more.pop("catalogued", catalogued(site)))


class FakeRelay:
    """See `twinpane_kernel.relay.Relay`."""

    def __init__(self) -> None:
        self.key = KEY
        self.published: list[tuple[str, dict[str, Any], Any]] = []
        self.replied: list[tuple[str, dict[str, Any]]] = []
        self.forwarded: list[Message] = []
        self.passed: list[Message] = []
        self.observer: Any = None

    def publish(self, msg_type: str, content: dict[str, Any], parent: bytes) -> None:
        self.published.append((msg_type, content, json.loads(parent)))
        self.passed.append(message(msg_type, content))

    def reply(self, _channel: str, _request: Message, msg_type: str, content: dict[str, Any]) -> None:
        self.replied.append((msg_type, content))

    def ask(self, _channel: str, _msg_type: str, _content: dict[str, Any]) -> str:
        return "probe"

    def asked(self, shown: Message) -> bool:
        return json.loads(shown.frames[3]).get("session") == "the pane's own"

    def forward(self, _channel: str, shown: Message) -> None:
        self.forwarded.append(shown)

    def pass_iopub(self, shown: Message) -> None:
        self.passed.append(shown)

    def pass_reply(self, shown: Message) -> None:
        self.passed.append(shown)

    def see_iopub(self, shown: Message) -> None:
        if self.observer.on_iopub(shown) is not False:
            self.pass_iopub(shown)
            self.observer.after_iopub(shown)


class FakeMirror:
    """See `twinpane_kernel.pane_link.PaneLink`."""

    def __init__(self, *sites: str) -> None:
        self.sites = list(sites)
        self.sent: dict[str, list[Any]] = {site: [] for site in sites}
        self.early: tuple[Any, ...] = ()
        self.gone: set[str] = set()

    def send(self, site: str, body: Any) -> int:
        wire.encode(wire.ToSite(site=site, n=1, body=body))
        self.sent.setdefault(site, []).append(body)
        return len(self.sent[site])

    def send_all(self, body: Any) -> dict[str, int]:
        wire.encode(wire.ToSite(site="x", n=1, body=body))
        return {site: self.send(site, body) for site in self.sites}

    def lost(self, site: str) -> bool:
        return site in self.gone


class Notebook:
    """A client and a clear kernel that the test plays, around a real pane."""

    def __init__(self, workspace: Any, *sites: str, later: bool = False) -> None:
        self.relay = FakeRelay()
        self.pane = Pane(self.relay, workspace, 7, None, later=later)  # type: ignore[arg-type]
        self.relay.observer = self.pane
        self.mirror = FakeMirror(*sites)
        self.count = 0
        if sites:
            self.pane.join(self.mirror)  # type: ignore[arg-type]
            for site in sites:
                self.pane.on_site(state(site))
        self.pane.let_through()

    def request(self, code: str, **more: Any) -> Message:
        """The client asks for a cell."""
        asked = message("execute_request", {"code": code, "silent": False, **more})
        assert self.pane.on_request("shell", asked)
        return asked

    def says(self, asked: Message | None, msg_type: str, content: dict[str, Any], **more: Any) -> None:
        """The clear kernel says something on iopub."""
        self.relay.see_iopub(message(msg_type, content, asked.header if asked else None, **more))

    def begin(self, code: str = "1", **more: Any) -> Message:
        """A cell begins to run."""
        asked = self.request(code, **more)
        self.begins(asked)
        return asked

    def begins(self, asked: Message) -> None:
        self.says(asked, "status", {"execution_state": "busy"})
        self.count += 1
        self.says(asked, "execute_input", {"code": "", "execution_count": self.count})

    def end(self, asked: Message) -> None:
        self.says(asked, "status", {"execution_state": "idle"})

    def prints(self, asked: Message | None, text: str) -> None:
        self.says(asked, "stream", {"name": "stdout", "text": text})

    def run(self, code: str = "1", *texts: str, **more: Any) -> Message:
        """A cell runs from beginning to end, and prints."""
        asked = self.begin(code, **more)
        for text in texts:
            self.prints(asked, text)
        self.end(asked)
        return asked

    def verdict(self, number: int, outcome: str = "same", site: str = "a", **more: Any) -> None:
        """A site tells a verdict."""
        self.pane.on_crossing(
            site, wire.Verdict(session=self.pane.session, cell=number, outcome=outcome, tick=0, left=more.pop("left", 1000.0), **more)
        )

    def link(self, code: str, site: str = "a", **more: Any) -> None:
        self.pane.on_crossing(site, wire.Link(session=self.pane.session, code=code, **more))

    def report(self, number: int) -> Any:
        """What the pane knows of a cell."""
        return self.pane.cells.number(number).report(self.pane.sites)

    def sent(self, kind: type, site: str = "a") -> list[Any]:
        return [body for body in self.mirror.sent[site] if isinstance(body, kind)]

    @property
    def strips(self) -> list[tuple[str, dict[str, Any], Any]]:
        """What was painted."""
        return [(kind, content, parent) for kind, content, parent in self.relay.published if "twinpane" in content.get("metadata", {})]


def everywhere(pad: Notebook, number: int, outcome: str = "same") -> None:
    """Every site's verdict on a cell."""
    for site in pad.mirror.sites:
        pad.verdict(number, outcome, site)
