"""Second factors of a site's accounts: each code is good once, who guesses waits, and who has no password makes nobody wait."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from agent_desk import KEY

from twinpane_site.accounts import Accounts
from twinpane_site.db import Database
from twinpane_site.errors import ConfigError
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.second_factors import FREE, LONGEST_S

SECRET = pyotp.random_base32()


class Site:
    """A site's accounts, with one that has a telephone, and a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.db = Database.open(folder)
        self.ledger = Ledger(self.db, KEY)
        self.accounts = Accounts(self.db, self.ledger, lambda: self.now)
        self.password = self.accounts.put("Sten", True, "root")
        self.accounts.bind("sten", SECRET, self.code(), "root")
        self.later(30)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def code(self, secret: str = SECRET) -> str:
        return pyotp.TOTP(secret).at(self.now)

    def wrong(self) -> str:
        """A code of none of the steps around now."""
        near = {pyotp.TOTP(SECRET).at(self.now + timedelta(seconds=30 * n)) for n in (-1, 0, 1)}
        return next(one for one in ("000000", "111111", "222222", "333333") if one not in near)

    def proves(self, code: str, name: str = "sten", password: str | None = None) -> bool:
        return self.accounts.proved(name, self.password if password is None else password, code) is not None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_neither_password_nor_code_is_enough_alone(site: Site) -> None:
    """Both are, in any case of the name."""
    assert not site.proves("")
    assert not site.proves(site.code(), password="x")
    assert site.proves(site.code(), name="STEN")


@pytest.mark.parametrize("code", ["", " ", "000", "abcdef", "12345\uff16", "1" * 5000, "-1", "\0", "1e5000"])
def test_what_is_no_code_signs_nobody_in(site: Site, code: str) -> None:
    assert not site.proves(code)
    assert site.proves(site.code())


def test_a_code_is_good_once_and_none_before_it_after(site: Site) -> None:
    """Somebody who looked on has it too. Also over a restart, and the one that set the telephone up."""
    before = site.code()
    site.later(30)
    assert site.proves(site.code())
    again = Accounts(site.db, site.ledger, lambda: site.now)
    assert again.proved("sten", site.password, site.code()) is None
    assert not site.proves(before)
    site.accounts.bind("sten", SECRET, site.code(), "root")
    assert not site.proves(site.code())


def test_who_guesses_codes_waits_longer_and_longer(site: Site) -> None:
    """With the password, at most a try an hour in the end; the right code is no way round the wait, and works after it."""
    for _ in range(FREE + 1):
        assert not site.proves(site.wrong())
    assert not site.proves(site.code()), "the wait has begun"
    tries = 0
    for _ in range(24 * 60 * 6):  # a day, a try every ten seconds
        site.later(10)
        before = site.db.row("SELECT misses FROM second_factor")["misses"]
        site.proves(site.wrong())
        tries += site.db.row("SELECT misses FROM second_factor")["misses"] - before
    assert tries <= 24 + 13
    site.later(LONGEST_S + 30)
    assert site.proves(site.code())
    site.later(30)
    assert not site.proves(site.wrong())
    assert site.proves(site.code()), "a right code forgives the wrong ones before it"


def test_who_has_no_password_makes_nobody_wait(site: Site) -> None:
    """Nor writes anything: wrong passwords reach no code."""
    head = site.ledger.head()
    for _ in range(50):
        assert not site.proves(site.wrong(), password="guess")
        assert not site.proves(site.wrong(), name="nobody")
    assert site.db.row("SELECT misses FROM second_factor")["misses"] == 0
    assert site.ledger.head() == head
    assert site.proves(site.code())


def test_a_telephone_is_bound_by_a_code_of_it_alone(site: Site) -> None:
    """A wrong one changes nothing: the telephone before holds, and no session ends. Nor is one bound to no account."""
    other, changed = pyotp.random_base32(), site.accounts.get("sten").changed
    for name, code in (("sten", site.code()), ("nobody", site.code(other)), ("sten", "")):
        with pytest.raises(ConfigError):
            site.accounts.bind(name, other, code, "root")
    assert site.accounts.get("sten").changed == changed
    assert site.proves(site.code())


def test_a_change_of_the_factor_ends_sessions_and_is_a_line(site: Site) -> None:
    """Sessions hang on the account's line in the ledger. No secret is in it."""
    lines = [site.accounts.get("sten").changed]
    site.accounts.bind("sten", SECRET, site.code(), "Ada")
    lines.append(site.accounts.get("sten").changed)
    site.accounts.unbind("sten", "Ada")
    lines.append(site.accounts.get("sten").changed)
    assert sorted(set(lines)) == lines
    said = [entry.body["what"] for entry in site.ledger.entries(LedgerEvent.account)]
    assert said == ["made, a steward", "a second factor", "a second factor", "no second factor"]
    assert SECRET not in str([dict(entry.body) for entry in site.ledger.entries()])
    assert site.proves("")
    with pytest.raises(ConfigError, match="no second factor"):
        site.accounts.unbind("sten", "Ada")


def test_a_new_password_keeps_the_telephone_a_removal_does_not(site: Site) -> None:
    """Who gets a new password for somebody still needs their telephone; a name that is given anew starts without one."""
    site.password = site.accounts.put("sten", None, "root")
    assert not site.proves("")
    assert site.proves(site.code())
    site.accounts.remove("sten", "root")
    site.password = site.accounts.put("sten", True, "root")
    assert site.proves("")
