"""ipykernel as it runs in the sandbox: on listening sockets it was handed, with no user configuration, history in memory, no subshells."""

import os
import platform
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import zmq
from ipykernel import kernelapp
from ipykernel.heartbeat import Heartbeat
from ipykernel.iostream import IOPubThread, OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from traitlets import Dict, Type, Unicode
from traitlets.config import Config
from zmq.eventloop.zmqstream import ZMQStream

from .seeds import Source

PIECE = 2**20
"""Characters of one stream message, at most. Longer output is cut into several messages: one that is too large for its reader would be
lost as a whole."""


class SandboxedStream(OutStream):
    """stdout or stderr, in messages small enough for every reader."""

    def _flush_buffers(self) -> Iterator[tuple[dict[str, Any], str]]:
        for parent, data in super()._flush_buffers():
            for at in range(0, len(data), PIECE):
                yield parent, data[at : at + PIECE]


class SandboxedHeartbeat(Heartbeat):
    """Echoes on a socket that already listens."""

    def __init__(self, *args: Any, descriptor: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.descriptor = descriptor

    def _try_bind_socket(self) -> None:
        self.socket.setsockopt(zmq.USE_FD, self.descriptor)
        super()._try_bind_socket()


class SandboxedOutput(IOPubThread):
    """Receives what forked processes print over a unix socket, since there may be no loopback."""

    ADDRESS = "ipc://@twinpane-output"
    """A name in the sandbox's own network namespace."""

    def _setup_pipe_in(self) -> None:
        self._pipe_uuid = os.urandom(16)
        pipe_in = self.socket.context.socket(zmq.PULL)
        pipe_in.linger = 0
        pipe_in.bind(self.ADDRESS)
        self._pipe_in = ZMQStream(pipe_in, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> tuple["zmq.Context[zmq.Socket[bytes]]", "zmq.Socket[bytes]"]:
        context = zmq.Context()  # a new one, after a fork
        pipe_out = context.socket(zmq.PUSH)
        pipe_out.linger = 3000
        pipe_out.connect(self.ADDRESS)
        return context, pipe_out


UNSEEN = ("complete_request", "inspect_request", "is_complete_request", "history_request", "comm_info_request", "kernel_info_request")
"""Requests that only the clear kernel gets. They must not draw random numbers, since the inside kernel does not draw these."""

Handler = Callable[..., Awaitable[None]]


class NoSubshells:
    """Stands in for ipykernel's thread for subshells. It is false, as None would be, but ipykernel still reads its ``parent_thread``."""

    def __init__(self) -> None:
        self.parent_thread = threading.current_thread()

    def __bool__(self) -> bool:
        return False


class SandboxedKernel(IPythonKernel):
    """IPython's kernel without subshells: JupyterLab would send widget messages over them, and these would get wrong parents.

    Without subshells, messages also need not pass through another thread.
    """

    source: Source | None = None
    """Where this process draws its numbers from, once the seeds are planted."""
    banner = f"Twinpane, Python {platform.python_version()}"
    """A fixed text. IPython's own shows a random tip, and so draws a number at every kernel_info request."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in UNSEEN:
            self.shell_handlers[name] = self._unseen(self.shell_handlers[name])

    def _unseen(self, handler: Handler) -> Handler:
        """Wrap the handler so that every random generator is afterwards in the state it was in before."""

        async def handle(*args: Any) -> None:
            if self.source is None:
                return await handler(*args)
            state = self.source.state()
            try:
                return await handler(*args)
            finally:
                self.source.resume(state)

        return handle

    @property
    def _supports_kernel_subshells(self) -> bool:
        return False

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """Abort the requests that wait when a cell fails, also those that came while an asynchronous cell ran.

        Without the subshells' thread they wait for the shell's lock in the order they came; whoever takes the lock after them lifts
        the flag.
        """
        assert self.shell_stream is not None
        self._aborting = True
        self.shell_stream.flush()

        async def lift() -> None:
            async with self._main_asyncio_lock:
                self._aborting = False

        self.io_loop.add_callback(lift)


class SandboxedApp(IPKernelApp):
    """Starts the kernel from a connection file and the descriptors of its listening sockets."""

    kernel_class = Type(SandboxedKernel, klass=IPythonKernel)
    descriptors = Dict()
    session_id = Unicode()

    def load_config_file(self, *_args: Any, **_kwargs: Any) -> None:
        """Load no configuration: what a kernel does depends on its cells alone."""
        self.update_config(
            Config(
                HistoryManager={"hist_file": ":memory:"},
                IPKernelApp={"exec_PYTHONSTARTUP": False, "outstream_class": f"{__name__}.{SandboxedStream.__name__}"},
                Session={"session": self.session_id} if self.session_id else {},
            )
        )

    def init_poller(self) -> None:
        """Watch nothing: the sandbox dies with its parent."""

    def write_connection_file(self, **_kwargs: Any) -> None:
        """Write nothing: the host wrote the file, and it is read-only here."""

    def log_connection_info(self) -> None:
        """Log nothing: nobody reads it, and it would say where to connect."""
        names = ("shell", "iopub", "stdin", "hb", "control")
        self._ports = {name: getattr(self, f"{name}_port") for name in names}

    def init_iopub(self, context: Any) -> None:
        """As ipykernel does, with ``SandboxedOutput`` for the output of forked processes."""
        kernelapp.IOPubThread = SandboxedOutput  # type: ignore[attr-defined]  # imported there, and made from there
        super().init_iopub(context)

    def init_control(self, context: Any) -> None:
        """As ipykernel does, without the thread that makes subshells."""
        super().init_control(context)
        # ipykernel connects the debugger's socket to the address that the shell's socket was bound to, which was a path of the host.
        self.debug_shell_socket.disconnect(self.shell_socket.getsockopt(zmq.LAST_ENDPOINT))
        self.debug_shell_socket.connect(f"ipc://{self.ip}-{self.shell_port}")
        self.shell_channel_thread = NoSubshells()

    def _try_bind_socket(self, s: Any, port: int) -> int:
        names = {getattr(self, name): name for name in ("shell_port", "stdin_port", "control_port", "iopub_port")}
        s.setsockopt(zmq.USE_FD, self.descriptors[names[port]])
        bound: int = super()._try_bind_socket(s, port)
        return bound

    def init_heartbeat(self) -> None:
        """As ipykernel does, on a socket that already listens."""
        address = (self.transport, self.ip, self.hb_port)
        self.heartbeat = SandboxedHeartbeat(zmq.Context(), address, descriptor=self.descriptors["hb_port"])
        self.heartbeat.start()
