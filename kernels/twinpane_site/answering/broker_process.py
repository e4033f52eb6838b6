"""``python -I -m twinpane_site.answering.broker_process``: makes the snapshot and the engine's store, opens brokers, answers questions.

The agent (``broker_client``) starts it, and it ends with the agent. It is the only process that reads rows for answers. It has no key, so
its releases are not signed yet.
"""

import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from twinpane_broker import Broker, Plan
from twinpane_ground import json_lines
from twinpane_ground.lifeline import die_with_parent
from twinpane_site.brokers import open_broker
from twinpane_site.config import project_catalogue
from twinpane_site.errors import SiteError, StoreError
from twinpane_site.freeze import materialise
from twinpane_site.parts.part import own_end
from twinpane_site.parts.port import BlockingPort, Frame
from twinpane_wire.transient_errors import is_transient

from .broker_frames import PLAN, START, WORDS, Answered, Asked, NotOpened, Opened, Start
from .fair_queue import PLACES

log = logging.getLogger(__name__)

EXPENDABLE = 500
"""Added to what the system takes into account when memory runs out: it ends this process before the agent."""


def opened(start: Start) -> dict[str, Broker]:
    """The brokers of a site by project, on its snapshot. Makes the snapshot if there is none. Raises SiteError."""
    site = start.site
    snapshot = materialise(site.config, site.catalogue, site.folder)
    return {
        project.id: open_broker(site, project_catalogue(site.catalogue, project), snapshot, bytes.fromhex(start.secret), project.id)
        for project in site.config.projects
    }


def answer(port: BlockingPort, brokers: Mapping[str, Broker], frame: Frame) -> None:
    """Answer one question. An error that no broker expects ends the process; the agent starts another."""
    try:
        asked = Asked.model_validate(frame.head)
        result = brokers[asked.project].run(Plan.model_validate_json(frame.bulk(PLAN)))
        _hand(port, Answered(question=asked.question), result.canonical())
    except BaseException:
        log.exception("the broker's process ends")
        sys.stderr.flush()
        os._exit(1)


def _hand(port: BlockingPort, answered: Answered, content: bytes) -> None:
    """Hand over an answer. Try for as long as it takes: the answer was paid for."""
    while True:
        try:
            return port.send_bulk(answered.model_dump(), content)
        except OSError as error:
            if not is_transient(error):
                raise
            log.error("an answer cannot be handed to the agent for now, and waits: %s", error)


def make_aside(start: Start, port: BlockingPort) -> bool:
    """Make missing snapshots and stores in a child process. Its memory, half of what this process may use, is freed when it ends.

    False if that fails; the agent has then been told.
    """
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            die_with_parent(parent, signal.SIGKILL)
            opened(start)
            os._exit(0)
        except SiteError as error:
            _refuse(port, error)
        except BaseException:
            log.exception("the broker's store cannot be made")
        sys.stderr.flush()
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        _refuse(port, StoreError(f"Making the broker's store was ended by signal {-status}; was there memory enough?"))
    return status == 0


def _refuse(port: BlockingPort, error: SiteError) -> None:
    kind: Literal["store", "config"] = "store" if isinstance(error, StoreError) else "config"
    port.send(NotOpened(kind=kind, words=str(error)[:WORDS]).model_dump())


def main() -> None:
    """The process: answer until the agent closes its end."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(EXPENDABLE))
    json_lines.as_told()
    port = BlockingPort(own_end())
    first = port.receive()
    if first is None:
        return
    start = Start.model_validate_json(first.bulk(START))
    # Only DuckDB's store is made in this very process; the others have servers or processes of their own.
    if start.config.engine.kind == "duckdb" and not make_aside(start, port):
        return
    try:
        brokers = opened(start)
    except SiteError as error:
        _refuse(port, error)
        return
    Broker.warm()
    # Catalogues and facts stay as long as the process: going through them again and again would hold up questions.
    gc.collect()
    gc.freeze()
    port.send(Opened().model_dump())
    threads = ThreadPoolExecutor(PLACES)
    while (frame := port.receive()) is not None:
        threads.submit(answer, port, brokers, frame)
    os._exit(0)  # nobody waits for the open questions


if __name__ == "__main__":
    main()
