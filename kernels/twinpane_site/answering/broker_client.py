"""The agent's side of the broker's process: questions go in, signed results come back, and a process that dies is started again."""

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Collection

from twinpane_broker import Plan, Refusal, RefusalCode, Release
from twinpane_sandbox.limits import MIB
from twinpane_site.config import Project, Site
from twinpane_site.errors import ConfigError, StoreError
from twinpane_site.keys import SiteKey
from twinpane_site.parts.part import Part, start_part
from twinpane_site.parts.port import Frame, Port, PortError, is_closed
from twinpane_site.signing import noise_secret, signed
from twinpane_wire.messages import Principal

from .broker_frames import FIRST, RESULT, SMALL, Answered, Asked, NotOpened, Start, result_of
from .fair_queue import FairQueue, Question

log = logging.getLogger(__name__)

MODULE = "twinpane_site.answering.broker_process"
NICENESS = 5
"""The agent and the readers go first, where they and a query want the same processor."""
NEEDED = ("PG", "JAVA_HOME", "SPARK_", "PYSPARK_", "HADOOP_")
"""How the names begin of what PostgreSQL's and Spark's clients take from the environment."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""The memory multiplies small matrices: more threads wait for each other, and take the processors from the site's kernels."""
LONGEST_S = 900.0
"""Seconds after which a question that was not answered counts as one that the process died of. Engines end theirs long before."""
PAUSES_S = (0.2, 1.0, 5.0, 30.0)
"""Seconds before the process is started again, after each start in a row that it did not outlive by a minute."""
LASTS_S = 60.0
AGAIN_S = 0.5
"""Seconds until a question that could not be handed over is tried again."""


def tick_of(first: float, took: float) -> float:
    """Seconds from a question to its tick. Ticks double; the answer, whatever it says, leaves at the first tick at which it is ready."""
    tick = first
    while tick < took:
        tick *= 2
    return tick


class BrokerClient:
    """Takes questions for a site's broker. ``open`` first, ``close`` last."""

    def __init__(self, site: Site, key: SiteKey, projects: Collection[Project]) -> None:
        self._catalogue = site.catalogue
        self._start = _serving(Start.of(site, noise_secret(key)), projects)
        self._wanted = {project.id: project for project in projects}
        self._serves = dict(self._wanted)
        self._key = key
        self._first_reply = site.policy.broker.first_reply_ms / 1000
        self._queue = FairQueue()
        self._numbers = itertools.count(1)
        self._news = asyncio.Event()
        self._part: Part | None = None
        self._port: Port | None = None
        self._successor: tuple[Part, Port] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._alarms: dict[int, asyncio.TimerHandle] = {}
        self._large: set[asyncio.Task[None]] = set()
        self.answers = True
        """False while the process cannot be started: questions are refused then."""

    @property
    def pid(self) -> int | None:
        """The pid of the broker's process; None while there is none."""
        return self._part.process.pid if self._part else None

    async def open(self) -> None:
        """Start the process, which makes snapshot and store if they do not exist yet.

        Raises ConfigError or StoreError if it does not start: no site runs without its broker.
        """
        self._part, self._port = await self._started(self._start)
        self._keeping = asyncio.create_task(self._keep())

    async def serve(self, projects: Collection[Project]) -> None:
        """Answer for these projects from now on, and for no others. The others' questions are refused at once.

        For a project that is new, or sees other data, another process is started beside the one that answers, and takes its place when it
        has made what it needs. Raises ConfigError or StoreError if it does not start: then only such a project gets no answers.
        """
        self._wanted = {project.id: project for project in projects}
        if all(self._is_served(name) for name in self._wanted):
            return
        start = _serving(self._start, projects)
        successor = await self._started(start)
        if self._successor is not None:
            await _end(*self._successor)
        self._start, self._successor = start, successor
        if self._part is not None:
            self._part.process.kill()

    def _is_served(self, project: str) -> bool:
        wanted, served = self._wanted.get(project), self._serves.get(project)
        return wanted is not None and served is not None and wanted.sees_as(served)

    async def ask(self, principal: Principal, plan: Plan, arrived: float | None = None) -> tuple[Release | Refusal, float]:
        """The answer, and the moment at which it leaves: the next tick of a doubling grid, so that the exact duration stays unknown.

        Ticks count from ``arrived``, by the monotonic clock; None means now.
        """
        began = time.monotonic() if arrived is None else arrived
        result = await self._ask(principal, plan)
        return result, began + tick_of(self._first_reply, time.monotonic() - began)

    async def _ask(self, principal: Principal, plan: Plan) -> Release | Refusal:
        if not (self.answers and self._is_served(principal.project)):
            return self._unavailable(plan)
        answer: asyncio.Future[Release | Refusal] = asyncio.get_running_loop().create_future()
        self._queue.add(Question(next(self._numbers), principal.user, principal.project, plan, answer))
        self._news.set()
        return await answer

    def _unavailable(self, plan: Plan) -> Refusal:
        return Refusal(site=self._catalogue.site, plan_hash=plan.hash, code=RefusalCode.unavailable)

    # ------------------------------------------------------------ the process

    @staticmethod
    async def _started(start: Start) -> tuple[Part, Port]:
        """A new process that is ready to answer. Raises ConfigError, StoreError."""
        environment = ONE_THREAD | {name: value for name, value in os.environ.items() if name.startswith(NEEDED)}
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limits = {"RLIMIT_CORE": 0, "RLIMIT_DATA": max(512 * MIB, whole * 3 // 4)}
        part: Part | None = None
        port: Port | None = None
        try:
            part = start_part(MODULE, limits=limits, niceness=NICENESS, environment=environment)
            port = Port(part.end)
            await port.send_bulk({}, start.model_dump_json().encode())
            frame = await port.receive()
            if frame is None:
                raise ConfigError("The broker's process ended before it had started; what it said is above.")
            frame.close()
            first = FIRST.validate_python(frame.head)
            if isinstance(first, NotOpened):
                raise (StoreError if first.kind == "store" else ConfigError)(first.words)
        except (OSError, PortError, ValueError) as error:
            await _end(part, port)
            raise ConfigError(f"The broker's process does not start: {error}.") from None
        except BaseException:
            await _end(part, port)
            raise
        return part, port

    async def _end(self) -> None:
        part, port, self._part, self._port = self._part, self._port, None, None
        await _end(part, port)

    async def _keep(self) -> None:
        """Keep a process answering for as long as the site runs."""
        failures = 0
        while True:
            if self._successor is not None:
                await self._end()
                (self._part, self._port), self._successor = self._successor, None
                self._serves = {project.id: project for project in self._start.config.projects}
            began = time.monotonic()
            if self._port is not None:
                self.answers = True
                await self._serve(self._port)
                await self._end()
                if self._ended(of_itself=self._successor is None):
                    continue
            failures = 0 if time.monotonic() - began > LASTS_S else failures + 1
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S)) - 1])
            try:
                self._part, self._port = await self._started(self._start)
            except (ConfigError, StoreError) as error:
                log.exception("%s", error)
                self.answers = False
                for question in self._queue.all():
                    self._settle(question, self._unavailable(question.plan))

    def _ended(self, of_itself: bool) -> bool:
        """The process has ended: what it was asked is asked again. Returns whether another one stands ready in its place."""
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        if not of_itself:
            self._queue.again()
            return True
        log.error("the broker's process ended and is started again; questions that it was asked are asked again")
        for question in self._queue.died():
            log.error("the broker's process died of a question, which is refused: plan %s of %s", question.plan.hash, question.project)
            self._settle(question, self._unavailable(question.plan))
        return False

    async def _serve(self, port: Port) -> None:
        """Questions out, answers in, until the process has ended."""
        giving = asyncio.create_task(self._give(port))
        try:
            while (frame := await port.receive()) is not None:
                self._take(frame)
                self._news.set()
        except (PortError, ValueError) as error:
            log.error("the broker's process said what it may not say: %s", type(error).__name__)
        finally:
            giving.cancel()
            await asyncio.gather(giving, return_exceptions=True)

    async def _give(self, port: Port) -> None:
        """Send questions when their turn comes. A question that could not be sent was not asked: it waits in the queue again."""
        said = False
        while True:
            self._news.clear()
            while (question := self._queue.next()) is not None:
                try:
                    asked = Asked(question=question.number, project=question.project)
                    self._alarms[question.number] = asyncio.get_running_loop().call_later(LONGEST_S, self._overdue)
                    await port.send_bulk(asked.model_dump(), question.plan.model_dump_json().encode())
                    said = False
                except OSError as error:
                    self._alarms.pop(question.number).cancel()
                    self._queue.back(question)
                    if is_closed(error):
                        return  # the process has ended, and ``_serve`` sees that too
                    if not said:
                        log.error("questions cannot be handed to the broker's process for now, and wait: %s", error)
                    said = True
                    await asyncio.sleep(AGAIN_S)
            await self._news.wait()

    def _overdue(self) -> None:
        if self._part is not None:
            self._part.process.kill()

    def _take(self, frame: Frame) -> None:
        """Take one answer. Raises PortError or ValueError if the frame is no answer."""
        answered, content = Answered.model_validate(frame.head), frame.bulk(RESULT)
        question = self._queue.done(answered.question)
        if question is None:
            raise ValueError("an answer to no question")
        self._alarms.pop(question.number).cancel()
        if len(content) <= SMALL:
            self._settle(question, self._read(question.plan, content))
            return
        task = asyncio.create_task(self._take_large(question, content))
        self._large.add(task)
        task.add_done_callback(self._large.discard)

    async def _take_large(self, question: Question, content: bytes) -> None:
        self._settle(question, await asyncio.to_thread(self._read, question.plan, content))

    def _read(self, plan: Plan, content: bytes) -> Release | Refusal:
        """The result in these bytes; a release is signed. Bytes that are no result are not passed on."""
        try:
            result = result_of(content, plan, self._catalogue)
        except ValueError:
            log.error("the broker's process gave no answer to plan %s", plan.hash)  # its text may hold rows
            return self._unavailable(plan)
        return signed(result, self._key) if isinstance(result, Release) else result

    @staticmethod
    def _settle(question: Question, result: Release | Refusal) -> None:
        if not question.answer.done():  # its session may have closed meanwhile
            question.answer.set_result(result)

    async def close(self) -> None:
        """End the process."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._end()
        if self._successor is not None:
            await _end(*self._successor)


def _serving(start: Start, projects: Collection[Project]) -> Start:
    return start.model_copy(update={"config": start.config.model_copy(update={"projects": tuple(projects)})})


async def _end(part: Part | None, port: Port | None) -> None:
    if port is not None:
        port.close()
    if part is not None:
        await asyncio.to_thread(part.kill)
