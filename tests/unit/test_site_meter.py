"""The meter: what leaves is covered before anyone looks at it, and 2^B transcripts are all that B bits can tell apart."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from twinpane_site.balance import MICRO, Balance, budget, price, shown
from twinpane_site.db import Database
from twinpane_site.errors import MeterError
from twinpane_site.meter import Budget, Meter
from twinpane_wire.prefix_code import FAILURES, Outcome, PrefixCode

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def charged(balance, cost):
    """The balance once something has left."""
    return replace(balance, day_spent=balance.day_spent + cost, total_spent=balance.total_spent + cost)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(tmp_path, clock):
    db = Database.open(tmp_path)
    yield Meter(db, Budget(100, 250), clock)
    db.close()


@pytest.fixture
def account(meter):
    return meter.account("ana", "p")


def out(account, what, bits, reserve=None):
    return account.reserve(what, bits if reserve is None else reserve) and account.spend(bits, what) is not None


# ------------------------------------------------------------------ the promise


def verdicts(code, lines):
    """Every verdict that the code can say of a cell: (outcome, class, line, tick) and its price."""
    for tick in range(code.ticks + 1):
        for outcome in Outcome:
            for failure in FAILURES if outcome is Outcome.failed else (None,):
                for line in range(1, lines + 1) if outcome is Outcome.failed else (None,):
                    yield (outcome, failure, line, tick), code.verdict_bits(outcome, tick, lines)


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("ticks", [1, 2, 5])
def test_the_verdict_code_is_a_prefix_code(ticks, lines):
    code = PrefixCode(ticks=ticks, first_tick_ms=60_000)
    assert sum(2**-bits for _, bits in verdicts(code, lines)) <= 1 + 1e-9


@pytest.mark.parametrize("digits", [1, 2])
def test_the_reveal_code_is_a_prefix_code(digits):
    code = PrefixCode(ticks=2, first_tick_ms=60_000)
    mantissas = 9 * 10 ** (digits - 1) * 2
    numbers = mantissas * 255 + 2  # exponents -127 .. 127, zero, and "not a number"
    assert numbers * sum(2 ** -code.reveal_bits(digits, tick) for tick in range(code.ticks + 1)) <= 1


@pytest.mark.parametrize("bits", [0, 1, 5.3, 12.9, 13.1, 14, 15, 16.3, 17])
def test_a_budget_of_b_bits_tells_at_most_2_to_the_b_transcripts(bits):
    """A budget of b bits tells at most two to the b transcripts apart.

    All transcripts of a session are walked through: at each cell everything the code can say, or silence by the meter.
    """
    code = PrefixCode(same=0.7, differs=0.2, failed=0.1, ticks=1, first_tick_ms=60_000)
    said = [(price(cost), 1) for _, cost in verdicts(code, 1)]
    by_cost = {}
    for cost, count in said:
        by_cost[cost] = by_cost.get(cost, 0) + count
    reserve = price(code.verdict_reserve(1))

    def transcripts(balance):
        if not balance.covers(reserve):
            return 1  # silence from here on: one transcript, whatever the rows
        return sum(count * transcripts(charged(balance, cost)) for cost, count in by_cost.items())

    assert transcripts(Balance(day=budget(bits), total=budget(bits))) <= 2**bits


def test_deciding_after_looking_would_break_the_bound():
    """Why ``reserve`` exists: letting out whatever happens to fit makes silence one more thing to say."""
    code = PrefixCode(same=0.7, differs=0.2, failed=0.1, ticks=1, first_tick_ms=60_000)
    costs = [price(cost) for _, cost in verdicts(code, 1)]

    def transcripts(left, cells):
        if not cells:
            return 1
        fits = [cost for cost in costs if cost <= left]
        return sum(transcripts(left - cost, cells - 1) for cost in fits) + (transcripts(left, cells - 1) if len(fits) < len(costs) else 0)

    assert transcripts(budget(3), 12) > 2**3


@settings(max_examples=200, deadline=None)
@given(
    bits=st.floats(0, 200),
    cells=st.lists(st.tuples(st.integers(1, 50), st.sampled_from(Outcome), st.integers(0, 24)), max_size=60),
)
def test_what_leaves_never_exceeds_the_budget(bits, cells):
    code = PrefixCode()
    balance, spent = Balance(day=budget(bits), total=budget(bits)), 0.0
    for lines, outcome, tick in cells:
        reserve = price(code.verdict_reserve(lines))
        if balance.covers(reserve):
            cost = code.verdict_bits(outcome, tick, lines)
            balance = charged(balance, price(cost))
            spent += cost
    assert spent <= bits + 1e-9
    assert balance.left >= 0


@settings(max_examples=200)
@given(
    digits=st.integers(1, 9),
    tick=st.integers(0, 24),
    lines=st.integers(1, 10_000),
    outcome=st.sampled_from(Outcome),
    ticks=st.integers(1, 40),
)
def test_the_reserve_covers_everything_the_code_can_say(digits, tick, lines, outcome, ticks):
    code = PrefixCode(ticks=ticks, first_tick_ms=60_000)
    tick = min(tick, ticks)
    assert code.verdict_bits(outcome, tick, lines) <= code.verdict_reserve(lines)
    assert code.reveal_bits(digits, tick) <= code.reveal_reserve(digits)


class Account(RuleBasedStateMachine):
    """The account in the database against the pure balance, over days, grants, sessions that end, and restarts."""

    @initialize()
    def begin(self):
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.db = Database.open(Path(self.folder.name))
        self.limits = Budget(60, 200)
        self.meter = Meter(self.db, self.limits, self.clock)
        self.open: dict[str, tuple[float, str]] = {}
        self.spent: dict[str, float] = {}
        self.granted: dict[str, float] = {}
        self.decided_on: dict[str, str] = {}
        self.count = 0

    def day(self):
        return self.clock.now.date().isoformat()

    @rule(reserve=st.floats(0, 50))
    def reserve(self, reserve):
        self.count += 1
        what, account = f"v{self.count}", self.meter.account("ana", "p")
        before = account.check(reserve)
        assert account.reserve(what, reserve, "s") == before
        assert account.reserve(what, 10_000) == before
        if before:
            self.open[what] = (reserve, self.day())

    @rule(share=st.floats(0, 1))
    def spend(self, share):
        if self.open:
            what, (reserve, day) = self.open.popitem()
            left = self.meter.account("ana", "p").spend(reserve * share, what)
            assert left == self.meter.account("ana", "p").left()
            self.spent[day] = self.spent.get(day, 0) + reserve * share

    @rule(hours=st.integers(1, 30))
    def later(self, hours):
        self.clock.now += timedelta(hours=hours)

    @rule(bits=st.floats(0.5, 20))
    def grant(self, bits):
        self.meter.grant("ana", "p", bits, "steward")
        self.granted[self.day()] = self.granted.get(self.day(), 0) + bits

    @rule()
    def the_session_ends(self):
        self.meter.release("s")
        self.open.clear()

    @rule()
    def restart(self):
        from pathlib import Path

        self.db.close()
        self.db = Database.open(Path(self.folder.name))
        self.meter = Meter(self.db, self.limits, self.clock)

    @invariant()
    def never_over_budget(self):
        if not hasattr(self, "meter"):
            return
        for day, spent in self.spent.items():
            assert spent <= 60 + self.granted.get(day, 0) + 1e-4
        assert sum(self.spent.values()) <= 200 + sum(self.granted.values()) + 1e-4
        assert set(self.meter.account("ana", "p").balance().reserved) == set(self.open)

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()
            self.folder.cleanup()


TestAccount = Account.TestCase
TestAccount.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


# ------------------------------------------------------------------ the account


def test_a_new_account_has_the_whole_budget(account):
    assert (account.left_total, account.left()) == (250, 100)


def test_what_leaves_is_charged_and_told(account):
    assert account.reserve("verdict:a", 40)
    assert account.spend(1.25, "verdict:a") == 98.7  # rounded down to 0.1
    assert account.left_total == 248.75


def test_what_is_left_is_a_function_of_what_has_left_alone(account):
    before = account.left()
    account.reserve("verdict:a", 40)
    assert account.left() == before


def test_reservations_hold_their_part_until_they_are_spent(account):
    assert account.reserve("a", 60)
    assert not account.check(60)
    account.spend(1, "a")
    assert account.check(60)


def test_the_answer_is_given_once_and_for_good(account, meter, clock):
    """Neither midnight nor a grant turns a cell's silence into a verdict: on which side of it a run ended would be told."""
    assert account.reserve("a", 100)
    assert not account.reserve("b", 10)
    account.spend(1, "a")
    meter.grant("ana", "p", 50, "steward")
    clock.now += timedelta(days=1)
    assert not account.reserve("b", 10)
    with pytest.raises(MeterError):
        account.spend(1, "b")
    assert account.reserve("c", 10)


def test_what_leaves_late_is_charged_to_the_day_of_its_decision(account, meter, clock):
    """A verdict that leaves after midnight is charged to the day of its decision."""
    account.reserve("a", 30)
    clock.now += timedelta(days=1)
    assert account.spend(20, "a") == 100.0
    assert meter.balance("ana", "p", date(2026, 3, 1)).day_spent == 20 * MICRO
    assert account.left_total == 230


def test_a_new_day_brings_a_new_budget_until_the_total_is_spent(account, clock):
    for day in range(2):
        assert out(account, f"day{day}", 100)
        assert not account.check(1)
        clock.now += timedelta(days=1)
    assert account.left() == 50.0
    assert out(account, "last", 50)
    clock.now += timedelta(days=1)
    assert account.left() == 0.0
    assert not account.check(0.1)


def test_days_are_utc_s_wherever_the_clock_is(account, clock):
    from datetime import timezone

    clock.now = datetime(2026, 3, 2, 1, 0, tzinfo=timezone(timedelta(hours=5)))  # still the 1st in UTC
    assert account.meter.today() == date(2026, 3, 1)


def test_only_what_was_reserved_is_spent_once_and_no_more(account):
    """Nothing is spent that was not reserved, or twice, or for more."""
    with pytest.raises(MeterError):
        account.spend(1, "a")
    account.reserve("a", 10)
    with pytest.raises(MeterError):
        account.spend(10.1, "a")
    account.spend(10, "a")
    with pytest.raises(MeterError):
        account.spend(1, "a")
    assert account.left_total == 240


def test_one_account_s_reservation_is_not_another_s(account, meter):
    account.reserve("a", 10)
    eve = meter.account("eve", "p")
    with pytest.raises(MeterError, match="another account"):
        eve.reserve("a", 10)
    with pytest.raises(MeterError):
        eve.spend(1, "a")


def test_users_and_projects_have_accounts_of_their_own(account, meter):
    out(account, "a", 100)
    assert meter.account("ana", "q").left() == 100.0
    assert meter.account("bob", "p").left() == 100.0


def test_a_grant_adds_to_the_day_and_to_the_total(account, meter):
    out(account, "a", 100)
    assert meter.grant("ana", "p", 30, "steward") == 30.0
    assert account.left_total == 180
    assert [(g.user, g.bits) for g in meter.grants()] == [("ana", 30.0)]
    assert meter.grants(after=meter.grants()[-1].seq) == []
    assert meter.accounts() == [("ana", "p")]


@pytest.mark.parametrize("bits", [0, -1, float("nan"), float("inf")])
def test_a_grant_of_nothing_is_refused(meter, bits):
    with pytest.raises(MeterError):
        meter.grant("ana", "p", bits, "steward")


def test_a_session_that_ends_gives_its_reservations_back(account, meter):
    account.reserve("a", 90, "s1")
    account.reserve("b", 5, "s2")
    meter.release("s1")
    assert account.check(95)
    assert not account.check(96)
    with pytest.raises(MeterError):
        account.spend(1, "a")
    account.spend(1, "b")


def test_a_budget_of_nothing_lets_nothing_out(tmp_path, clock):
    db = Database.open(tmp_path)
    account = Meter(db, Budget(0, 0), clock).account("ana", "p")
    assert account.left() == 0
    assert not account.reserve("a", PrefixCode().verdict_reserve(1))
    db.close()


def test_a_budget_lowered_below_what_has_left_shows_nothing_left(tmp_path, clock):
    db = Database.open(tmp_path)
    out(Meter(db, Budget(100, 100), clock).account("ana", "p"), "a", 80)
    account = Meter(db, Budget(50, 50), clock).account("ana", "p")
    assert (account.left(), account.left_total) == (0, 0)
    assert not account.check(0.1)
    db.close()


def test_a_spend_that_is_undone_was_never_made(account):
    account.reserve("a", 10)
    with pytest.raises(KeyError), account._db.transaction():  # noqa: PT012 - the block is the transaction
        account.spend(5, "a")
        raise KeyError
    assert account.left_total == 250
    account.spend(5, "a")


@pytest.mark.parametrize("bits", [-0.1, float("nan"), float("inf")])
def test_prices_are_numbers_from_nothing_up(account, bits):
    with pytest.raises(MeterError):
        account.reserve("a", bits)


@given(st.floats(0, 20_000), st.floats(0, 20_000))
def test_rounding_is_always_on_the_safe_side(paid, granted):
    assert price(paid) >= paid * MICRO - 1e-3
    assert budget(granted) <= granted * MICRO + 1e-3
    assert shown(budget(granted)) <= granted
    assert math.isclose(shown(budget(granted)), granted, abs_tol=0.1001)
