"""The switchboard's state and its routing rules: who is connected, whose session it is, what goes where.

Nothing here waits or touches the network, so every rule can be tested without a socket. The routing rules:

* A pane's message goes only to a site of its project, under the principal that the hub vouched for. Its session must be this
  principal's. The session then belongs to the connection that last sent for it, so a pane that dials in again goes on.
* An agent's crossing goes to the pane that owns the session, and only if the session's project names the site. After a pane or the
  switchboard came back, a session may have no owner yet. Then the crossing goes to those panes of its principal that have sent nothing
  yet; the right pane takes it. If there are none, it is dropped: the agent keeps it until the pane has said ``received``.
* After every drop the sender sees a change (a site goes offline, a link ends), so it sends again.
* Each site has its own lanes towards each pane: one for its crossings, and one for its state, in which only the newest waits. If a site
  sends more than a pane takes, only this site's waiting crossings are dropped.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from twinpane_ground.closing import Closing
from twinpane_hub.projects import Directory
from twinpane_wire.messages import (
    Catalogued,
    ForAgent,
    FromSite,
    Principal,
    Released,
    SessionCrossing,
    SiteState,
    Standing,
    ToSite,
    Welcome,
    WireError,
    encode,
)

from .catalogue_store import CatalogueStore
from .fair_queue import FairQueue
from .link_ended import LinkEnded
from .sessions import Sessions

SESSIONS = 256
"""Sessions of one pane connection, at most. A pane whose kernel restarts more often dials in again."""
PANES = 64
"""Connections of one user's panes, at most."""
CATALOGUE = 8 * 2**20
"""Bytes of a catalogue, with what is published with it, at most."""
GREETING = 2**20
"""Bytes of catalogues that a welcome carries, at most; each further one comes in its own frame."""


@dataclass(eq=False)
class Pane:
    """A connected pane."""

    principal: Principal
    lanes: FairQueue
    end: Callable[[Closing, str], None]
    """Ends the connection with a reason."""
    sessions: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    """Sites that the pane was told, or is about to be told, are away."""


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
        """``directory`` gives the current projects; ``on_change`` is called when a site goes online or offline."""
        self.directory = directory
        self.counts: Counter[str] = Counter()
        """Numbers of dropped messages, by site and reason; shown to the hub's administrator only."""
        self.crossings: Counter[tuple[str, str, str]] = Counter()
        """Numbers of crossings that came, by project, site and kind. Whoever keeps them takes them off."""
        self.standings: dict[tuple[str, str], Standing] = {}
        """Stewards' last words on projects, by site and project. Whoever keeps them removes them."""
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
        """The first message to a pane."""
        project = self.directory().projects.get(principal.project)
        sites = () if project is None else project.sites
        return Welcome(principal=principal, sites=tuple(self.state(site, principal.project) for site in sites))

    def state(self, site: str, project: str) -> SiteState:
        """What a project may know of a site."""
        known = self.directory().sites.get(site)
        title = "" if known is None else known.title
        return SiteState(site=site, title=title, online=site in self._agents, catalogued=self._catalogues.get(site, project))

    def join_pane(self, pane: Pane) -> None:
        """Greet a connected pane. The same step takes the snapshot of the sites, so it misses no change. Raises LinkEnded."""
        if sum(other.principal.user == pane.principal.user for other in self._panes) >= PANES:
            raise LinkEnded(Closing.too_slow, f"more than {PANES} kernels of one user are connected: shut some down")
        self._panes.add(pane)
        welcome, later = self._greeting(pane.principal)
        pane.lanes.put("switchboard", encode(welcome))
        for state in later:
            pane.lanes.put_only(_state_lane(state.site), encode(state))

    def _greeting(self, principal: Principal) -> tuple[Welcome, list[SiteState]]:
        """The welcome with as many catalogues as it carries, and the states of the other sites, each to be sent in its own frame."""
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
        """A pane is gone: forget what it had queued for sites. It sends again what was not acknowledged."""
        self._panes.discard(pane)
        for session in pane.sessions:
            if self._owners.get(session) is pane:
                del self._owners[session]
        for agent in self._agents.values():
            agent.lanes.drop(pane)

    def join_agent(self, agent: Agent) -> None:
        """A site's agent is connected: end an earlier link of the same site."""
        before = self._agents.get(agent.site)
        self._agents[agent.site] = agent
        if before is not None:
            before.end(Closing.replaced, f"site {agent.site} dialled in again: the newer link stands")
            # Panes must see the change, because what they sent to the older link may be lost with it.
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
        """Tell a pane a site's state, in place of a waiting one. If the site was away in between, the pane is told that too."""
        lane = _state_lane(state.site)
        if not pane.lanes.waits(lane):
            pane.away.discard(state.site)
        if away or not state.online:
            pane.away.add(state.site)
        before = [state.model_copy(update={"online": False, "catalogued": None})] if state.online and state.site in pane.away else []
        pane.lanes.put_only(lane, *(encode(each) for each in (*before, state)))

    # ------------------------------------------------------------ routing

    def route_inward(self, pane: Pane, message: ToSite) -> tuple[Agent, str] | None:
        """Where a pane's message goes, and the frame to send; None while the site is offline. Raises LinkEnded where it may not go."""
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
        if panes:
            self.crossings[panes[0].principal.project, agent.site, _kind(crossing)] += 1

    def hear(self, agent: Agent, standing: Standing) -> None:
        """Take a steward's word on a project."""
        project = self.directory().projects.get(standing.project)
        if project is None or agent.site not in project.sites:
            self.counts[f"{agent.site}: word on a project without the site"] += 1
        else:
            self.standings[agent.site, standing.project] = standing

    def _perhaps(self, session: str) -> list[Pane]:
        """Panes of the session's principal that sent nothing since they dialled in: one of them may own the session."""
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
        """Queue a crossing. If the pane does not take this site's, drop those that wait and say the site was away: both ends send again."""
        if not pane.lanes.put(_crossing_lane(site), frame):
            self.counts[f"{site}: dropped for a pane that takes too little"] += 1
            pane.lanes.drop(_crossing_lane(site))
            self._tell(pane, self.state(site, pane.principal.project), away=True)


def _kind(crossing: SessionCrossing) -> str:
    return "refusal" if isinstance(crossing, Released) and crossing.result.status == "refused" else crossing.kind


def _state_lane(site: str) -> tuple[str, str]:
    return "state", site


def _crossing_lane(site: str) -> tuple[str, str]:
    return "crossing", site
