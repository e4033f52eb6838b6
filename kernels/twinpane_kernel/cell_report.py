"""The pane's report on a cell, site by site. The strip, the saved notebook and ``twinpane run`` are all made from it."""

from enum import StrEnum

from twinpane_broker import Closed
from twinpane_wire.types import Form


class State(StrEnum):
    """The state of a cell at a site, in the words of the strip."""

    queued = "queued"  # the site is offline, or has not acknowledged the cell yet; it will get it, once and in order
    running = "running"  # acknowledged; no verdict yet
    same = "same"
    differs = "differs"  # the outputs differ; the real ones are held at the site
    failed = "failed"  # only class and line are known
    spent = "spent"  # the meter is spent: the site tells no verdict until tomorrow or until the steward grants more
    refused = "refused"  # the site has not accepted this project or user
    rehearsal = "rehearsal"  # %%twin: never sent


class SiteReport(Closed):
    """One site's line of a strip."""

    site: str
    title: str = ""
    online: bool = True
    state: State
    failure: str | None = None
    line: int | None = None
    tick: int | None = None


class RevealReport(Closed):
    """One ``tp.reveal``: values as they arrive; a site missing from ``values`` has not answered, None is "not a number".

    A value is a boolean where the twin's is one, and it can be.
    """

    name: str
    digits: int
    values: dict[str, bool | float | None] = {}
    spent: tuple[str, ...] = ()
    """Sites whose meter does not cover it: no value will come."""


class ExportedReport(Closed):
    """An approved item of this cell, already verified against its receipt."""

    site: str
    request: str
    form: Form
    name: str
    sha256: str
    content: str
    """Base64 of the released bytes."""


class CellReport(Closed):
    """Everything known about one cell."""

    cell: int
    msg_id: str
    execution_count: int | None = None
    outputs: bool = False
    """Whether the clear run showed anything."""
    error: bool = False
    """Whether all that it showed is one error."""
    interacted: bool = False
    """A widget of this cell moved since: what it shows now is synthetic, whatever the verdict on the cell was."""
    sites: tuple[SiteReport, ...] = ()
    reveals: tuple[RevealReport, ...] = ()
    releases: tuple[str, ...] = ()
    """Ids of the releases that the cell's calls got."""
    exported: tuple[ExportedReport, ...] = ()
    requests: dict[str, dict[str, str]] = {}
    """Export requests made by this cell: request id -> site -> state (submitted, changes, rejected, released)."""
    left: dict[str, float] = {}
    """Bits left today at each site, as of this cell's last crossing."""
    day: dict[str, float] = {}
    """Bits a day at each site, as its catalogue says."""
    notes: tuple[str, ...] = ()
    """Plain sentences for the researcher: a file too large to push, packages that differ at a site."""

    @property
    def real(self) -> bool:
        """Whether every site that runs cells of this session said *same*, so that the screen shows the result of the real rows there.

        A network is often partial: a site that declined the project, or suspended it, has run nothing that the mark could speak of.
        """
        ran = [site for site in self.sites if site.state is not State.refused]
        return bool(ran) and all(site.state is State.same for site in ran) and not self.interacted

    @property
    def named(self) -> tuple[SiteReport, ...]:
        """The sites that a strip names beside its mark: where that says *real* for all others, those alone that it does not speak of."""
        return tuple(site for site in self.sites if not self.real or site.state is State.refused)

    @property
    def settled(self) -> bool:
        """Whether no site still owes this cell anything that it could send now."""
        return all(s.state not in (State.queued, State.running) for s in self.sites) and all(
            s.site in r.values or s.site in r.spent for r in self.reveals for s in self.sites if s.state is not State.refused
        )
