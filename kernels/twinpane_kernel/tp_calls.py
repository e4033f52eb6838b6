"""Answers the clear kernel's ``tp`` calls. The pane asks the sites, waits for their answers, and gives the inside runs the same ones."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from twinpane_broker import Plan, Refusal, Release
from twinpane_ground import limits
from twinpane_sandbox.call_server import CallError
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_read
from twinpane_wire import items
from twinpane_wire import messages as wire

from .cells import Cell, Cells, Reveal, SiteView
from .pane_link import PaneLink
from .release_folder import listed

BEGINS = 2.0
"""Seconds that a cell's call may be ahead of the news that the cell runs."""
PATIENCE = 60.0
"""Seconds that a call waits for a connected site before it goes on without it."""


WITHOUT_INSIDE = frozenset({"catalogue", "query", "reveal", "export", "exports"})
"""Calls that the clear run needs no inside run for: the pane or a broker answers, or nothing is waited for. Any other is refused where
cells run at the sites later: it would wait for ever."""


Answered = Release | Refusal | str
"""What a site answered to a query, or the word for why it did not."""
Value = dict[str, Any] | list[dict[str, Any]]
"""What a call gets, as JSON has it."""
Handler = Callable[[Cell, int, dict[str, Any]], Awaitable[Value]]
"""Cell, number of the call in it, and the call's arguments -> its value."""


class Session(Protocol):
    """What the calls need of the pane."""

    session: str
    link: PaneLink | None
    cells: Cells
    sites: dict[str, SiteView]
    catalogued: dict[str, wire.Catalogued]
    workspace: Path
    later: bool

    def repaint(self, cell: Cell) -> None:
        """Something about the cell changed that its strip shows."""


class TpCalls:
    """The host side of the calls socket in the pane."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: dict[tuple[int, int, str], asyncio.Future[Answered]] = {}
        self._handlers: dict[str, Handler] = {
            "catalogue": self._catalogue, "query": self._query, "reveal": self._reveal, "export": self._export, "exports": self._exports,
        }  # fmt: skip

    async def handle(self, call: str, args: dict[str, Any]) -> Value:
        """One call of the clear kernel; raises CallError with a sentence for the researcher."""
        cell, handler = await self._cell(args), self._handlers.get(call)
        if cell is None or not cell.running:
            raise CallError("no_cell", "tp calls are answered only while a cell runs")
        if handler is None:
            raise CallError("unknown_call", f"this version of Twinpane knows no call {call!r}")
        if self._session.later and call not in WITHOUT_INSIDE:
            raise CallError("needs_inside", f"{call} waits for the sites' runs, and with --sites they begin when the notebook is over")
        if cell.calls >= limits.CALLS:
            raise CallError("too_many", f"a cell may make {limits.CALLS} tp calls at most")
        cell.calls += 1
        number = cell.calls
        try:
            value = await handler(cell, number, args)
        except CallError as error:
            self._answer(cell, number, call, error.message, error.code)
            raise
        self._answer(cell, number, call, value)
        return value

    def _answer(self, cell: Cell, number: int, call: str, value: object, error: str = "") -> None:
        """Tell the inside runs the call's answer or error, so that both runs go on alike."""
        if not cell.mirrored or not self._session.link:
            return
        told = {"session": self._session.session, "cell": cell.number, "call": number}
        answer = wire.Answer.model_validate(told | {"call_kind": call, "value": value, "error": error})
        try:
            self._session.link.send_all(answer)
        except wire.WireError:
            raise CallError("too_large", "the answer is too large to be told to the sites' runs of this cell") from None

    async def _cell(self, args: dict[str, Any]) -> Cell | None:
        """The cell that makes the call. Its first call may be here before the iopub message that says it began to run."""
        parent = args.get("parent")
        if not isinstance(parent, str) or not parent:
            return self._session.cells.current
        end = asyncio.get_running_loop().time() + BEGINS
        while (cell := self._session.cells.request(parent)) is None and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.002)
        return cell

    def released(self, site: str, crossing: wire.Released) -> None:
        """A site answered a query."""
        future = self._waiting.get((crossing.cell, crossing.call, site))
        if future and not future.done():
            result: Answered = crossing.result
            if isinstance(result, Release) and not self._genuine(site, result):
                result = "unsigned"
            future.set_result(result)

    def offline(self, site: str) -> None:
        """A site went away: nobody waits for it."""
        for (_, _, name), future in list(self._waiting.items()):
            if name == site and not future.done():
                future.set_result("offline")

    def _genuine(self, site: str, release: Release) -> bool:
        from twinpane_broker import verify_release

        known = self._session.catalogued.get(site)
        return known is not None and release.site == site and verify_release(release, known.public_key)

    def _linked(self) -> PaneLink:
        if self._session.link is None or not self._session.link.sites:
            raise CallError("no_sites", "this kernel is not connected to any site, so there is nothing real to ask for")
        return self._session.link

    async def _catalogue(self, _cell: Cell, _number: int, _args: dict[str, Any]) -> dict[str, Any]:
        return {"sites": {site: c.catalogue.model_dump(mode="json") for site, c in self._session.catalogued.items()}}

    async def _query(self, cell: Cell, number: int, args: dict[str, Any]) -> dict[str, Any]:
        link = self._linked()
        try:
            plan = Plan.model_validate(args.get("plan"))
        except ValidationError:
            raise CallError("bad_plan", "the query is not one that the plan can say") from None
        cell.check_asks_sites()
        query = wire.Query(session=self._session.session, cell=cell.number, call=number, plan=plan)
        loop = asyncio.get_running_loop()
        missing = {name: _absence(view) for name, view in self._session.sites.items() if not view.online or not view.accepted}
        futures: dict[str, asyncio.Future[Answered]] = {name: loop.create_future() for name in link.sites if name not in missing}
        self._waiting.update({(cell.number, number, name): future for name, future in futures.items()})
        try:
            link.send_all(query)
            if futures:
                await asyncio.wait(futures.values(), timeout=PATIENCE)
        finally:
            for name in futures:
                self._waiting.pop((cell.number, number, name), None)
        results: dict[str, Any] = {}
        for name, future in futures.items():
            result = future.result() if future.done() else "late"
            if isinstance(result, str):
                missing[name] = result
                continue
            results[name] = result.model_dump(mode="json")
            if isinstance(result, Release):
                cell.releases.append(result.id)
        # A list, not a mapping: its order, the hub's, is the order of the table's columns, and both runs must see the same.
        titles = [[name, view.title or name] for name, view in self._session.sites.items()]
        return {"sites": results, "missing": missing, "titles": titles}

    async def _reveal(self, cell: Cell, number: int, args: dict[str, Any]) -> dict[str, Any]:
        try:
            told = {"session": self._session.session, "cell": cell.number, "call": number}
            ask = wire.RevealAsk.model_validate(told | {"name": args.get("name"), "digits": args.get("digits")})
        except ValidationError:
            raise CallError(
                "bad_reveal", f"a reveal needs a name of up to {limits.NAME} characters and 1 to {limits.DIGITS} digits"
            ) from None
        if cell.mirrored:
            cell.reveals[number] = Reveal(ask.name, ask.digits, truth=isinstance(args.get("value"), bool))
            if self._session.link:
                self._session.link.send_all(ask)
        return {}

    async def _export(self, cell: Cell, _number: int, args: dict[str, Any]) -> dict[str, Any]:
        link = self._linked()
        cells = [self._asked(count) for count in _list(args.get("cells"))]
        wanted = [
            wire.ExportItem(cell=asked.number, source=asked.source, twins=_twins(items.canonical_items(list(asked.outputs))))
            for asked in cells
        ]
        for path in _list(args.get("files")):
            wanted.append(self._file(str(path)))
        try:
            ask = wire.ExportAsk(
                session=self._session.session, request=uuid.uuid4().hex, purpose=args.get("purpose") or "",
                population=args.get("population") or "", controls=args.get("controls") or "", items=tuple(wanted),
            )  # fmt: skip
        except ValidationError:
            raise CallError(
                "bad_request",
                f"an export request needs a purpose and 1 to {limits.ITEMS} cells or files, each text up to {limits.PURPOSE} characters",
            ) from None
        try:
            link.send_all(ask)
        except wire.WireError:
            raise CallError("too_large", "the request is too large for one message: ask for fewer cells or files at a time") from None
        for asked in {cell.number: cell, **{c.number: c for c in cells}}.values():
            asked.requests[ask.request] = dict.fromkeys(link.sites, wire.ExportState.submitted.value)
            self._session.repaint(asked)
        return {"request": ask.request, "sites": [self._title(site) for site in link.sites]}

    def _title(self, site: str) -> str:
        view = self._session.sites.get(site)
        return view.title or site if view else site

    def _asked(self, count: object) -> Cell:
        found = self._session.cells.count(count) if isinstance(count, int) else None
        if found is None:
            raise CallError(
                "no_such_cell", f"no cell has run as In[{count}] since the kernel started; name cells by the number beside them"
            )
        if found.running:
            raise CallError("running_cell", f"In[{count}] is still running; ask for it in a later cell")
        return found

    def _file(self, path: str) -> wire.ExportItem:
        inside = path.removeprefix("/project/")
        try:
            item = wire.ExportItem(path=inside)
        except ValidationError:
            raise CallError("bad_path", f"{path} is not a file below /project") from None
        try:
            # A cell may have planted a link at any step of the path. Following it would show reviewers a file of the researcher's machine.
            content = safe_read(self._session.workspace, inside, limits.FILE)
        except (OSError, UnsafePath):
            raise CallError(
                "no_such_file",
                f"{path} is no file of up to {limits.FILE // 2**20} MiB in the run on the twin; only files that it knows can be asked for",
            ) from None
        return item.model_copy(update={"twins": _twins(items.canonical_file(inside, content))})

    async def _exports(self, _cell: Cell, _number: int, _args: dict[str, Any]) -> list[dict[str, Any]]:
        requests: dict[str, dict[str, str]] = {}
        for cell in self._session.cells:
            requests.update(cell.requests)
        keys = {site: known.public_key for site, known in self._session.catalogued.items()}
        files = await asyncio.to_thread(listed, self._session.workspace, keys)
        titles = {site: self._title(site) for site in self._session.sites}
        asked = [{"request": request, "sites": states, "titles": titles} for request, states in requests.items()]
        return asked + [{"released": {**file, "title": self._title(file["site"])}} for file in files]


def _absence(view: SiteView) -> str:
    return "refused" if not view.accepted else "offline"


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _twins(found: items.Canonical) -> tuple[wire.TwinItem, ...]:
    return found.as_twins()[: limits.ITEMS]
