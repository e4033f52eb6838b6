"""The pane's sockets: what clients connect to, what the clear kernel is reached by, and frames carried between them.

Both ends share one key, and the client's routing frames travel along. So a message is forwarded byte for byte, except for what a kernel
says in the pane's name (see `forgeries`). The relay reads only headers; the observer interprets messages.
"""

import asyncio
import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import zmq

from twinpane_sandbox import protocol
from twinpane_sandbox.launch import Connection

from .forgeries import cleaned
from .message import Message, read
from .sockets import Reader, Socket, send

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Decides about messages on their way. Called on the event loop; must not block."""

    def on_request(self, channel: str, message: Message) -> bool:
        """A client's message, before it goes to the clear kernel. False keeps it: it was answered, or will be forwarded later."""

    def on_reply(self, channel: str, message: Message) -> bool | None:
        """The clear kernel's message on shell, control or stdin, before it goes to the client. False keeps it: it is passed on later."""

    def on_iopub(self, message: Message) -> bool:
        """The clear kernel's iopub message, before it goes to the clients. False keeps it from them.

        Messages that the observer publishes now come before it.
        """

    def after_iopub(self, message: Message) -> None:
        """The same message, once it has been sent and before the next one. No client waits for the work done here."""


FAULTS = 20
"""Faults that are logged, at most: a hostile kernel may not fill a disk with them."""
CHANNELS = ("shell", "control", "stdin")


class Relay:
    """Binds the client's ports at once; connects to the clear kernel when told to.

    ``session`` is the session id of the clear kernel's messages, and of those that the pane makes for clients: to them it is one kernel.
    JupyterLab drops messages of one session that it has not handled yet when one of another session comes in, as after a restart.
    """

    def __init__(self, client: Connection, loop: asyncio.AbstractEventLoop, session: str) -> None:
        self.key = str(client.get("key", "")).encode()
        self._loop = loop
        self._context = zmq.Context()
        self._observer: Observer | None = None
        self._front = {name: self._bind(zmq.ROUTER, client, f"{name}_port") for name in CHANNELS}
        self._iopub = self._bind(zmq.XPUB, client, "iopub_port")
        self._iopub.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._back: dict[str, Socket] = {}
        self._readers: dict[Socket, Reader] = {}
        self._session = session
        self._faults = 0
        self._own = uuid.uuid4().hex
        heartbeat = self._bind(zmq.ROUTER, client, "hb_port")
        threading.Thread(target=_echo, args=(heartbeat,), daemon=True, name="heartbeat").start()

    def _bind(self, kind: int, client: Connection, port: str) -> Socket:
        socket = self._context.socket(kind)
        socket.linger = 1000
        socket.sndhwm = socket.rcvhwm = 0
        if kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        socket.bind(_address(client, port))
        return socket

    def start(self, observer: Observer) -> None:
        """Begin to read what clients send."""
        self._observer = observer
        for name, socket in self._front.items():
            self._read(socket, partial(self._from_client, name))
        self._read(self._iopub, self._subscribed)

    def connect(self, kernel: Connection) -> None:
        """Connect to the clear kernel's sockets; they may come up later."""
        identity = self._own.encode()
        for name in CHANNELS:
            socket = self._context.socket(zmq.DEALER)
            # The kernel addresses its prompts to the identity of the shell request.
            socket.setsockopt(zmq.IDENTITY, identity)
            self._back[name] = self._connected(socket, kernel, f"{name}_port")
            self._read(socket, partial(self._from_kernel, name))
        iopub = self._context.socket(zmq.SUB)
        iopub.subscribe(b"")
        self._connected(iopub, kernel, "iopub_port")
        self._read(iopub, self._from_iopub)

    def _read(self, socket: Socket, callback: Callable[[list[bytes]], bool | None]) -> None:
        self._readers[socket] = Reader(self._loop, socket, callback)

    def _connected(self, socket: Socket, kernel: Connection, port: str) -> Socket:
        socket.linger = 0
        socket.sndhwm = socket.rcvhwm = 0
        socket.reconnect_ivl = 10
        socket.connect(_address(kernel, port))
        return socket

    def forward(self, channel: str, message: Message) -> None:
        """Send a client's message on to the clear kernel, unchanged."""
        self._send(self._back[channel], [*message.route, *message.frames])

    def reply(self, channel: str, request: Message, msg_type: str, content: Mapping[str, Any]) -> None:
        """Answer a client's request in the kernel's place."""
        head = protocol.header(msg_type, self._session)
        self._send(self._front[channel], [*request.route, *protocol.frames(self.key, head, content, request.frames[2])])

    def ask(self, channel: str, msg_type: str, content: Mapping[str, Any]) -> str:
        """Ask the clear kernel something of the pane's own; its answer reaches the observer with an empty route."""
        head = protocol.header(msg_type, self._own)
        self._send(self._back[channel], protocol.frames(self.key, head, content))
        return str(head["msg_id"])

    def asked(self, message: Message) -> bool:
        """Whether a message of the clear kernel is about something that the pane itself asked."""
        return message.parent.get("session") == self._own

    def publish(self, msg_type: str, content: Mapping[str, Any], parent: bytes) -> None:
        """Publish an iopub message of the pane's own; ``parent`` is the request's header as it came."""
        head = protocol.header(msg_type, self._session)
        self._send(self._iopub, [f"twinpane.{msg_type}".encode(), *protocol.frames(self.key, head, content, parent)])

    def close(self) -> None:
        """Close every socket; what is queued for clients has a second to go out."""
        for reader in self._readers.values():
            reader.close()
        for socket in {*self._front.values(), self._iopub, *self._readers}:
            socket.close()
        threading.Thread(target=self._context.term, daemon=True, name="last words").start()  # the heartbeat ends by it, too

    def _from_client(self, channel: str, parts: list[bytes]) -> None:
        message = read(parts)
        observer = self._observer
        if message and observer and self._seen(lambda: observer.on_request(channel, message)) is not False:
            self._send(self._back[channel], parts)

    def _from_kernel(self, channel: str, parts: list[bytes]) -> None:
        message = read(parts)
        observer = self._observer
        if message and message.msg_type and observer:
            shown = self._seen(lambda: observer.on_reply(channel, message))
            if message.route and shown is not False:
                self._pass(self._front[channel], message)

    def _from_iopub(self, parts: list[bytes]) -> bool:
        message = read(parts)
        # A client may read more into a header than we do: do not pass on a message without a type.
        if message and message.msg_type not in ("", "iopub_welcome"):
            self.see_iopub(message)
        return message is not None and message.msg_type == "stream"

    def see_iopub(self, message: Message) -> None:
        """Show the observer an iopub message, and pass it on unless it keeps it."""
        observer = self._observer
        if observer and self._seen(lambda: observer.on_iopub(message)) is not False:
            self.pass_iopub(message)
            self._seen(lambda: observer.after_iopub(message))

    def pass_iopub(self, message: Message) -> None:
        """Pass an iopub message on to the clients, as it is but for what only the pane may say."""
        self._pass(self._iopub, message)

    def pass_reply(self, message: Message) -> None:
        """Pass a reply on shell on to its client, as it is but for what only the pane may say."""
        self._pass(self._front["shell"], message)

    def _pass(self, socket: Socket, message: Message) -> None:
        shown = cleaned(message, self.key)
        if shown is None:
            log.info("a %s of the clear kernel that poses as the pane's is dropped", message.msg_type[:40])
        else:
            self._send(socket, [*shown.route, *shown.frames])

    def _seen(self, look: Callable[[], bool | None]) -> bool | None:
        """The observer's answer. An error there must not stop the notebook: messages of both ends still go on."""
        try:
            return look()
        except Exception:
            self._faults += 1
            if self._faults <= FAULTS:
                log.exception("a message could not be looked at")
            return None

    def _subscribed(self, parts: list[bytes]) -> None:
        # JEP 65: a client that subscribes is told so, and knows from then on that it misses nothing.
        if parts and parts[0][:1] == b"\x01":
            self.publish("iopub_welcome", {"subscription": parts[0][1:].decode(errors="replace")}, b"{}")

    def _send(self, socket: Socket, parts: Sequence[bytes]) -> None:
        send(socket, parts)
        if (reader := self._readers.get(socket)) is not None:
            reader.again()


def _address(connection: Connection, port: str) -> str:
    number = connection[port]
    if connection.get("transport", "tcp") == "ipc":
        return f"ipc://{connection['ip']}-{number}"
    return f"tcp://{connection['ip']}:{number}"


def _echo(socket: Socket) -> None:
    # A thread of its own: a busy pane must not look dead.
    with contextlib.suppress(zmq.ZMQError):
        zmq.proxy(socket, socket)
    socket.close(0)
