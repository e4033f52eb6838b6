"""The switchboard's state and its routing rules: who is connected, whose session it is, what goes where.

Nothing here waits or touches the network, so every rule can be tried without a socket. Rules of routing:

* A pane's message goes to a site of its project only, under the principal that the hub vouched for. Its session must be this
  principal's; the session then belongs to the pane's connection that spoke for it last (a pane that dials in again goes on).
* An agent's crossing goes to the pane that owns the session, and only where the session's project names the site.
  While nobody spoke for the session since the pane or the switchboard came back, it goes to the panes of the session's principal
  that said nothing yet: the right one takes it. Else it is dropped: the agent keeps it until the pane has said ``received``.
* What is dropped is always followed by a change that the sender sees (a site goes offline, a link ends), so it sends again.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from twinpane_hub.projects import Directory
from twinpane_wire.messages import Catalogued, ForAgent, FromAgent, FromSite, Principal, SiteState, ToSite, Welcome, encode

from .closing import Closing, Ended
from .lanes import Lanes
from .sessions import Sessions
from .shelf import Shelf

SESSIONS = 256
"""Sessions of one pane connection, at most: a kernel restarted more often dials in again."""


@dataclass(eq=False)
class Pane:
    """A connected pane."""

    principal: Principal
    lanes: Lanes
    end: Callable[[Closing, str], None]
    """Ends the connection with a reason."""
    sessions: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Agent:
    """A connected agent whose key was verified."""

    site: str
    lanes: Lanes
    end: Callable[[Closing, str], None]


class Board:
    """Panes, agents and what is routed between them."""

    def __init__(
        self, directory: Callable[[], Directory], sessions: Sessions, shelf: Shelf, on_change: Callable[["Board"], None] = lambda _: None
    ) -> None:
        """``directory`` gives the projects as of now; ``on_change`` is told when a site goes online or offline."""
        self.directory = directory
        self.counts: Counter[str] = Counter()
        """What was dropped, by site and reason; told to the hub's administrator only."""
        self._sessions = sessions
        self._shelf = shelf
        self._on_change = on_change
        self._panes: set[Pane] = set()
        self._agents: dict[str, Agent] = {}
        self._owners: dict[str, Pane] = {}

    # ------------------------------------------------------------ who is here

    @property
    def online(self) -> tuple[str, ...]:
        """Sites whose agent is connected."""
        return tuple(sorted(self._agents))

    def welcome(self, principal: Principal) -> Welcome:
        """What a pane hears first."""
        project = self.directory().projects.get(principal.project)
        sites = () if project is None else project.sites
        return Welcome(principal=principal, sites=tuple(self.state(site, principal.project) for site in sites))

    def state(self, site: str, project: str) -> SiteState:
        """What a project may know of a site."""
        known = self.directory().sites.get(site)
        title = "" if known is None else known.title
        return SiteState(site=site, title=title, online=site in self._agents, catalogued=self._shelf.get(site, project))

    def join_pane(self, pane: Pane) -> None:
        """A pane is connected: greet it. Same step as the snapshot of the sites, so no change falls between."""
        self._panes.add(pane)
        pane.lanes.put("switchboard", encode(self.welcome(pane.principal)))

    def leave_pane(self, pane: Pane) -> None:
        """A pane is gone; what it had queued for sites is forgotten, it sends again what was not acknowledged."""
        self._panes.discard(pane)
        for session in pane.sessions:
            if self._owners.get(session) is pane:
                del self._owners[session]
        for agent in self._agents.values():
            agent.lanes.drop(pane)

    def join_agent(self, agent: Agent) -> None:
        """A site's agent is connected; a link of the same site that stood before ends."""
        before = self._agents.get(agent.site)
        self._agents[agent.site] = agent
        if before is not None:
            before.end(Closing.replaced, f"site {agent.site} dialled in again: the newer link stands")
            # Panes must see the change: what they sent to the older link may be lost with it.
            self._tell_panes(agent.site, online=False)
        self._tell_panes(agent.site)
        self._on_change(self)

    def leave_agent(self, agent: Agent) -> None:
        """A site's agent is gone."""
        if self._agents.get(agent.site) is agent:
            del self._agents[agent.site]
            self._tell_panes(agent.site)
            self._on_change(self)

    def _tell_panes(self, site: str, online: bool | None = None) -> None:
        for pane in list(self._panes):
            project = self.directory().projects.get(pane.principal.project)
            if project is not None and site in project.sites:
                state = self.state(site, pane.principal.project)
                self._send(pane, "switchboard", encode(state if online is None else state.model_copy(update={"online": online})))

    # ------------------------------------------------------------ routing

    def route_inward(self, pane: Pane, message: ToSite) -> tuple[Agent, str] | None:
        """Where a pane's message goes and what is sent there, None while the site is offline; raises Ended where it may not go."""
        project = self.directory().projects.get(pane.principal.project)
        if project is None or message.site not in project.sites:
            raise Ended(Closing.not_admitted, f"site {message.site} is not in project {pane.principal.project}")
        session = message.body.session
        if session not in pane.sessions:
            if len(pane.sessions) >= SESSIONS:
                raise Ended(Closing.too_slow, f"more than {SESSIONS} sessions on one connection: dial in again")
            if not self._sessions.claim(session, pane.principal):
                raise Ended(Closing.not_admitted, "this session is not yours")
            pane.sessions.add(session)
        self._owners[session] = pane
        agent = self._agents.get(message.site)
        if agent is None:
            self.counts[f"{message.site}: sent while offline"] += 1
            return None
        return agent, encode(ForAgent(principal=pane.principal, n=message.n, body=message.body))

    def route_outward(self, agent: Agent, message: FromAgent) -> None:
        """Bring a site's crossing to the pane that owns its session, or drop and count it."""
        if isinstance(message.body, Catalogued):
            self._published(agent, message.body)
            return
        pane = self._owners.get(message.body.session)
        panes = [pane] if pane is not None else self._perhaps(message.body.session)
        if not panes:
            self.counts[f"{agent.site}: no pane for the session"] += 1
        for pane in panes:
            project = self.directory().projects.get(pane.principal.project)
            if project is None or agent.site not in project.sites:
                self.counts[f"{agent.site}: session of a project without the site"] += 1
                continue
            self._send(pane, agent.site, encode(FromSite(site=agent.site, body=message.body)))

    def _perhaps(self, session: str) -> list[Pane]:
        """Panes that dialled in again and had nothing to say since: one of the session's own principal may be the session's."""
        principal = self._sessions.owner(session)
        return [pane for pane in self._panes if pane.principal == principal and not pane.sessions]

    def _published(self, agent: Agent, catalogued: Catalogued) -> None:
        project = self.directory().projects.get(catalogued.project)
        if catalogued.catalogue.site != agent.site or project is None or agent.site not in project.sites:
            self.counts[f"{agent.site}: catalogue of another site or project"] += 1
            return
        self._shelf.put(catalogued)
        frame = encode(self.state(agent.site, catalogued.project))
        for pane in list(self._panes):
            if pane.principal.project == catalogued.project:
                self._send(pane, "switchboard", frame)

    def _send(self, pane: Pane, lane: str, frame: str) -> None:
        """A pane that does not take its crossings is cut off: it dials in again, and sites send again what it has not received."""
        if not pane.lanes.put(lane, frame):
            self.counts["panes cut off as too slow"] += 1
            pane.end(Closing.too_slow, "the notebook does not take what waits for it: dial in again")
