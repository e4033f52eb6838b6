"""The switchboard's state and its routing rules: who is connected, whose session it is, what goes where.

Nothing here waits or touches the network, so every rule can be tried without a socket. Rules of routing:

* A pane's message goes to a site of its project only, under the principal that the hub vouched for. Its session must be this
  principal's; the session then belongs to the pane's connection that spoke for it last (a pane that dials in again goes on).
* An agent's crossing goes to the pane that owns the session, and only where the session's project names the site.
  While nobody spoke for the session since the pane or the switchboard came back, it goes to the panes of the session's principal
  that said nothing yet: the right one takes it. Else it is dropped: the agent keeps it until the pane has said ``received``.
* What is dropped is always followed by a change that the sender sees (a site goes offline, a link ends), so it sends again.
* Each site has lanes of its own towards each pane: one for its crossings, and one for its state, in which only the newest waits. A
  site that says more than a pane takes loses what of it waits there, and nothing of other sites.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from twinpane_ground.closing import Closing
from twinpane_hub.projects import Directory
from twinpane_wire.messages import Catalogued, ForAgent, FromSite, Principal, SessionCrossing, SiteState, ToSite, Welcome, WireError, encode

from .catalogue_store import CatalogueStore
from .fair_queue import FairQueue
from .link_ended import LinkEnded
from .sessions import Sessions

SESSIONS = 256
"""Sessions of one pane connection, at most: a kernel restarted more often dials in again."""
PANES = 64
"""Connections of one user's panes, at most."""
CATALOGUE = 8 * 2**20
"""Bytes of a catalogue, with what is published beside it, at most."""
GREETING = 2**20
"""Bytes of catalogues that a welcome carries; each further one comes in a frame of its own."""


@dataclass(eq=False)
class Pane:
    """A connected pane."""

    principal: Principal
    lanes: FairQueue
    end: Callable[[Closing, str], None]
    """Ends the connection with a reason."""
    sessions: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    """Sites that it was, or is about to be, told to be away."""


@dataclass(eq=False)
class Agent:
    """A connected agent whose key was verified."""

    site: str
    lanes: FairQueue
    end: Callable[[Closing, str], None]


class Router:
    """Panes, agents and what is routed between them."""

    def __init__(
        self,
        directory: Callable[[], Directory],
        sessions: Sessions,
        catalogues: CatalogueStore,
        on_change: Callable[["Router"], None] = lambda _: None,
    ) -> None:
        """``directory`` gives the projects as of now; ``on_change`` is told when a site goes online or offline."""
        self.directory = directory
        self.counts: Counter[str] = Counter()
        """What was dropped, by site and reason; told to the hub's administrator only."""
        self._sessions = sessions
        self._catalogues = catalogues
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
        return SiteState(site=site, title=title, online=site in self._agents, catalogued=self._catalogues.get(site, project))

    def join_pane(self, pane: Pane) -> None:
        """A pane is connected: greet it. Same step as the snapshot of the sites, so no change falls between. Raises Ended."""
        if sum(other.principal.user == pane.principal.user for other in self._panes) >= PANES:
            raise LinkEnded(Closing.too_slow, f"more than {PANES} kernels of one user are connected: shut some down")
        self._panes.add(pane)
        welcome, later = self._greeting(pane.principal)
        pane.lanes.put("switchboard", encode(welcome))
        for state in later:
            pane.lanes.put_only(_state_lane(state.site), encode(state))

    def _greeting(self, principal: Principal) -> tuple[Welcome, list[SiteState]]:
        """The welcome with as many catalogues as it carries, and the states of the other sites for frames of their own."""
        welcome, later, size = self.welcome(principal), [], 0
        states = []
        for state in welcome.sites:
            size += self._catalogues.size(state.site, principal.project)
            if size > GREETING and state.catalogued is not None:
                later.append(state)
                state = state.model_copy(update={"catalogued": None})
            states.append(state)
        return welcome.model_copy(update={"sites": tuple(states)}), later

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
                self._tell(pane, state if online is None else state.model_copy(update={"online": online}))

    def _tell(self, pane: Pane, state: SiteState, away: bool = False) -> None:
        """Tell a pane how a site is, in place of what waits to be told of it; that it was away in between is told all the same."""
        lane = _state_lane(state.site)
        if not pane.lanes.waits(lane):
            pane.away.discard(state.site)
        if away or not state.online:
            pane.away.add(state.site)
        before = [state.model_copy(update={"online": False, "catalogued": None})] if state.online and state.site in pane.away else []
        pane.lanes.put_only(lane, *(encode(each) for each in (*before, state)))

    # ------------------------------------------------------------ routing

    def route_inward(self, pane: Pane, message: ToSite) -> tuple[Agent, str] | None:
        """Where a pane's message goes and what is sent there, None while the site is offline; raises Ended where it may not go."""
        project = self.directory().projects.get(pane.principal.project)
        if project is None or message.site not in project.sites:
            raise LinkEnded(Closing.not_admitted, f"site {message.site} is not in project {pane.principal.project}")
        session = message.body.session
        if session not in pane.sessions:
            if len(pane.sessions) >= SESSIONS:
                raise LinkEnded(Closing.too_slow, f"more than {SESSIONS} sessions on one connection: dial in again")
            if not self._sessions.has_room(session, pane.principal):
                raise LinkEnded(Closing.too_slow, "this user began too many sessions: try again in some minutes")
            if not self._sessions.claim(session, pane.principal):
                raise LinkEnded(Closing.not_admitted, "this session is not yours")
            pane.sessions.add(session)
        self._owners[session] = pane
        agent = self._agents.get(message.site)
        if agent is None:
            self.counts[f"{message.site}: sent while offline"] += 1
            return None
        return agent, encode(ForAgent(principal=pane.principal, n=message.n, body=message.body))

    def route_outward(self, agent: Agent, crossing: SessionCrossing) -> None:
        """Bring a crossing of a site's session to the pane that owns it, or drop and count it."""
        try:
            frame = encode(FromSite(site=agent.site, body=crossing))
        except WireError:
            self.counts[f"{agent.site}: larger than the link carries"] += 1
            return
        pane = self._owners.get(crossing.session)
        panes = [pane] if pane is not None else self._perhaps(crossing.session)
        if not panes:
            self.counts[f"{agent.site}: no pane for the session"] += 1
        for pane in panes:
            project = self.directory().projects.get(pane.principal.project)
            if project is None or agent.site not in project.sites:
                self.counts[f"{agent.site}: session of a project without the site"] += 1
                continue
            self._cross(pane, agent.site, frame)

    def _perhaps(self, session: str) -> list[Pane]:
        """Panes that dialled in again and had nothing to say since: one of the session's own principal may be the session's."""
        principal = self._sessions.owner(session)
        return [pane for pane in self._panes if pane.principal == principal and not pane.sessions]

    def may_publish(self, agent: Agent, catalogued: Catalogued) -> bool:
        """Whether a catalogue is of this site, and for one of its projects."""
        project = self.directory().projects.get(catalogued.project)
        return catalogued.catalogue.site == agent.site and project is not None and agent.site in project.sites

    def publish(self, agent: Agent, catalogued: Catalogued) -> None:
        """Keep a catalogue and tell the project's panes."""
        if not self.may_publish(agent, catalogued):
            self.counts[f"{agent.site}: catalogue of another site or project"] += 1
            return
        if not self._catalogues.put(catalogued, CATALOGUE):
            self.counts[f"{agent.site}: catalogue too large, or the same again"] += 1
            return
        state = self.state(agent.site, catalogued.project)
        for pane in list(self._panes):
            if pane.principal.project == catalogued.project:
                self._tell(pane, state)

    def _cross(self, pane: Pane, site: str, frame: str) -> None:
        """A pane that does not take a site's crossings loses those that wait, and is told that the site was away: both send again."""
        if not pane.lanes.put(_crossing_lane(site), frame):
            self.counts[f"{site}: dropped for a pane that takes too little"] += 1
            pane.lanes.drop(_crossing_lane(site))
            self._tell(pane, self.state(site, pane.principal.project), away=True)


def _state_lane(site: str) -> tuple[str, str]:
    return "state", site


def _crossing_lane(site: str) -> tuple[str, str]:
    return "crossing", site
