"""What stewards see and do at the pages. Each act is checked here, whatever page or form it came from."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from twinpane_review.identity import Grant
from twinpane_review.policies import Denied
from twinpane_site import grants
from twinpane_site.acceptance import Published
from twinpane_site.accounts import Accounts
from twinpane_site.db import Database
from twinpane_site.freeze_watch import FreezeWatch
from twinpane_site.ledger import Entry, Ledger
from twinpane_site.ledger_search import Wanted, every, more_than, newest
from twinpane_site.meter import Budget, Meter
from twinpane_site.projects import Projects
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_site.reviewers import Reviewers, ReviewersError
from twinpane_site.running_sessions import Running, RunningSessions, StopError
from twinpane_site.sign_off import Mark, SignOffError, marks, sign_off
from twinpane_site.standstill import FreezeError, FreezeState, Standstill

from .overview import Overview, overview
from .project_desk import ProjectDesk


class Desk:
    """One site's steward's desk, and the sign-in with the site's own accounts.

    ``published``: the tables that projects can be given, with their columns. ``budget``: what each member may let out.
    """

    def __init__(
        self, db: Database, ledger: Ledger, projects: Projects, published: Published, budget: Budget, clock: Callable[[], datetime],
        reviewers: Reviewers,
    ) -> None:  # fmt: skip
        self._db, self._ledger, self._budget, self._clock = db, ledger, budget, clock
        self._projects, self._reviewers = projects, reviewers
        self.projects = ProjectDesk(projects, ProposalInbox(db, clock), published, self.check_is_steward)
        self._accounts = Accounts(db, ledger, clock)
        self._standstill = Standstill(ledger, self._accounts.stewards, clock)
        self._watch = FreezeWatch(ledger)
        self._sessions = RunningSessions(db, ledger)

    # ------------------------------------------------------------ who is there

    def prove(self, name: str, password: str, code: str = "") -> Grant | None:
        """A sign-in with an account of the site; None where name, password and code are not one's."""
        account = self._accounts.proved(name, password, code)
        return None if account is None else Grant(account.name, str(account.changed), own=True)

    def stands(self, grant: Grant) -> bool:
        """Whether a sign-in still counts: the account as it was then, or, of the hub's, a name that the site has no account of."""
        account = self._accounts.get(grant.user)
        if account is None:
            return not grant.own
        return grant.own and str(account.changed) == grant.token

    def is_steward(self, grant: Grant) -> bool:
        """Whether somebody is a steward: signed in with an account of the site that is one, now."""
        account = self._accounts.get(grant.user) if grant.own else None
        return account is not None and account.steward and str(account.changed) == grant.token

    def check_is_steward(self, grant: Grant) -> None:
        """Raises Denied for everybody else."""
        if not self.is_steward(grant):
            raise Denied("Only the stewards of this site, signed in with its own accounts, can use this page.")

    # ------------------------------------------------------------ seeing

    def frozen(self) -> bool:
        """Whether the site is frozen; so it counts while nobody can tell."""
        return self._watch.frozen()

    def overview(self, grant: Grant) -> Overview:
        """What the site does. Raises Denied."""
        self.check_is_steward(grant)
        return overview(self._db, self._standstill, self._sessions, self._projects.members(), self._budget, self._clock())

    def sessions(self, grant: Grant) -> Sequence[Running]:
        """The open sessions, with what they use. Raises Denied."""
        self.check_is_steward(grant)
        return self._sessions.all(self._clock())

    def budget(self, grant: Grant) -> Budget:
        """What the policy gives each member. Raises Denied."""
        self.check_is_steward(grant)
        return self._budget

    def stewards(self, grant: Grant) -> frozenset[str]:
        """The stewards' names. Raises Denied."""
        self.check_is_steward(grant)
        return self._accounts.stewards()

    def ledger(self, grant: Grant, wanted: Wanted, limit: int, before: int) -> tuple[list[Entry], list[Mark]]:
        """The newest lines that are wanted, numbered below ``before``, and who has seen how much. Raises Denied."""
        self.check_is_steward(grant)
        return newest(self._db, wanted, limit, before), marks(self._ledger)

    def all_of_ledger(self, grant: Grant, wanted: Wanted, most: int) -> Iterator[Entry] | None:
        """Every line that is wanted, in order; None where these are more than ``most``. Raises Denied."""
        self.check_is_steward(grant)
        return None if more_than(self._db, wanted, most) else every(self._db, wanted)

    # ------------------------------------------------------------ acting

    def grant_bits(self, grant: Grant, user: str, project: str, bits: float) -> None:
        """Give a member more bits, today and in all. Raises Denied."""
        self.check_is_steward(grant)
        if not self._projects.admits(user, project):
            raise Denied("The site has no such member in that project.")
        meter = Meter(self._db, self._budget, self._clock)
        grants.grant(self._ledger, meter, user, project, bits, grant.user, self._clock())

    def set_reviewers(self, grant: Grant, names: str) -> None:
        """Say anew who reviews exports, one name a line. Raises Denied."""
        self.check_is_steward(grant)
        try:
            self._reviewers.put(names.split(), grant.user)
        except ReviewersError as error:
            raise Denied(str(error)) from None

    def stop_session(self, grant: Grant, session: str) -> None:
        """End a session within about a second. Raises Denied."""
        self.check_is_steward(grant)
        try:
            self._sessions.stop(session, grant.user, self._clock())
        except StopError as error:
            raise Denied(str(error)) from None

    def sign_off(self, grant: Grant, upto: int) -> None:
        """Write that this steward has seen the ledger up to a line. Raises Denied."""
        self.check_is_steward(grant)
        try:
            sign_off(self._ledger, grant.user, upto, self._clock())
        except SignOffError as error:
            raise Denied(str(error)) from None

    def freeze(self, grant: Grant, sure: bool, reason: str = "") -> FreezeState:
        """Stop everything that leaves, where the steward ticked that this is meant. Raises Denied."""
        self.check_is_steward(grant)
        if not sure:
            raise Denied("The site is not frozen: go back, tick that everything shall stop, and send the form again.")
        return self._standstill.freeze(grant.user, reason.strip())

    def unfreeze(self, grant: Grant, entry: int) -> FreezeState:
        """Agree to end the freeze of that entry; the second steward's word ends it. Raises Denied."""
        self.check_is_steward(grant)
        try:
            return self._standstill.agree(grant.user, entry)
        except FreezeError as error:
            raise Denied(str(error)) from None
