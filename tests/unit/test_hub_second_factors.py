"""Second factors: each code is good once, secrets are sealed, and a new device holds only once it showed a code."""

from pathlib import Path

import pyotp
import pytest

from twinpane_ground.one_time_codes import link
from twinpane_hub import accounts, sealing
from twinpane_hub.local_sign_in import LocalAccounts
from twinpane_hub.second_factors import FILE, RECOVERY_CODES, SecondFactors
from twinpane_hub.tries import Tries

START = 1_800_000_000.0


class Clock:
    """Unix time that a test sets."""

    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def set_up(factors: SecondFactors, clock: Clock, name: str = "ana") -> tuple[pyotp.TOTP, tuple[str, ...]]:
    """A person's telephone, and the recovery codes; the code that confirmed it is used up."""
    telephone = pyotp.TOTP(factors.begin(name))
    codes = factors.confirm(name, telephone.at(clock.now))
    clock.now += 30
    return telephone, codes


def test_a_code_is_good_once(tmp_path: Path, clock: Clock) -> None:
    """Somebody who looked on, or a page between, has the code too: it is not taken again, nor is one before it."""
    factors = SecondFactors(tmp_path, clock)
    telephone, _ = set_up(factors, clock)
    before = telephone.at(clock.now)
    clock.now += 30
    assert factors.accepts("ana", telephone.at(clock.now))
    assert not factors.accepts("ana", telephone.at(clock.now))
    assert not factors.accepts("ana", before)
    assert not SecondFactors(tmp_path, clock).accepts("ana", telephone.at(clock.now)), "also after a restart"
    clock.now += 30
    assert factors.accepts("ana", telephone.at(clock.now))


def test_the_code_that_set_a_factor_up_signs_nobody_in(tmp_path: Path, clock: Clock) -> None:
    factors = SecondFactors(tmp_path, clock)
    telephone = pyotp.TOTP(factors.begin("ana"))
    assert factors.confirm("ana", telephone.at(START))
    assert not factors.accepts("ana", telephone.at(START))


@pytest.mark.parametrize("code", ["", " ", "000", "abcdef", "12345６", "1" * 5000, "-1", "\0"])
def test_what_is_no_code_is_not_taken(tmp_path: Path, clock: Clock, code: str) -> None:
    factors = SecondFactors(tmp_path, clock)
    set_up(factors, clock)
    assert not factors.accepts("ana", code)
    assert not factors.accepts("nobody", code)


def test_old_and_early_codes_are_not_taken(tmp_path: Path, clock: Clock) -> None:
    """A telephone's clock may be 30 s wrong."""
    factors = SecondFactors(tmp_path, clock)
    telephone, _ = set_up(factors, clock)
    clock.now += 600
    for away in (-90, -60, 60, 90):
        assert not factors.accepts("ana", telephone.at(clock.now + away))
    for away in (-30, 30):
        assert factors.accepts("ana", telephone.at(clock.now + away))


def test_each_recovery_code_is_good_once(tmp_path: Path, clock: Clock) -> None:
    """And for its person alone; those of before end with a new device."""
    factors = SecondFactors(tmp_path, clock)
    _, codes = set_up(factors, clock)
    _, others = set_up(factors, clock, "ben")
    assert len(set(codes)) == RECOVERY_CODES
    assert not factors.accepts("ana", others[0])
    assert factors.accepts("ana", codes[0].upper())
    assert not factors.accepts("ana", codes[0])
    set_up(factors, clock)
    assert not factors.accepts("ana", codes[1])


def test_a_new_device_holds_once_it_showed_a_code(tmp_path: Path, clock: Clock) -> None:
    """Until then the one before does: who gives up half-way is not locked out, and has no factor that nobody has."""
    factors = SecondFactors(tmp_path, clock)
    factors.begin("ana")
    assert not factors.has("ana")
    assert not factors.confirm("ana", "000000")
    telephone, _ = set_up(factors, clock)
    factors.begin("ana")
    assert factors.accepts("ana", telephone.at(clock.now))


def test_the_file_alone_makes_no_codes(tmp_path: Path, clock: Clock) -> None:
    """Its secrets are sealed; without the key no code is right, and nobody comes in without one."""
    factors = SecondFactors(tmp_path, clock)
    telephone, codes = set_up(factors, clock)
    kept = b"".join(file.read_bytes() for file in tmp_path.glob(f"{FILE}*"))
    assert telephone.secret.encode() not in kept
    assert not any(code.encode() in kept for code in codes)
    (tmp_path / sealing.FILE).unlink()
    other = SecondFactors(tmp_path, clock)
    assert other.has("ana")
    assert not other.accepts("ana", telephone.at(clock.now))


def test_a_reset_forgets_the_factor_and_its_recovery_codes(tmp_path: Path, clock: Clock) -> None:
    factors = SecondFactors(tmp_path, clock)
    _, codes = set_up(factors, clock)
    assert factors.remove("ana")
    assert not factors.has("ana")
    assert not factors.accepts("ana", codes[0])
    assert not factors.remove("ana")


def test_a_telephone_reads_the_link() -> None:
    secret = pyotp.random_base32()
    found = pyotp.parse_uri(link(secret, "ana", "Twinpane hub.test"))
    assert (found.secret, found.name, found.issuer) == (secret, "ana", "Twinpane hub.test")


# ------------------------------------------------------------ at the sign-in


ANA = accounts.Account(password=accounts.hashed("right"), groups=("researcher",))


def door(folder: Path) -> LocalAccounts:
    accounts.save(folder / "accounts.toml", {"ana": ANA})
    return LocalAccounts(file=str(folder / "accounts.toml"), state=str(folder))


async def signs_in(at: LocalAccounts, code: str | None, password: str = "right") -> bool:
    more = {} if code is None else {"otp": code}
    return await at.authenticate(None, {"username": "ana", "password": password, **more}) is not None


async def test_the_password_alone_does_not_sign_in(tmp_path: Path, clock: Clock) -> None:
    """Where the person set a second factor up. A right code without the password does not either, and is not used up."""
    at = door(tmp_path)
    at.close = Tries(lambda: 0.0, free=1000)
    assert await signs_in(at, None)
    at.factors._clock = clock
    telephone, codes = set_up(at.factors, clock)
    assert not await signs_in(at, None)
    assert not await signs_in(at, "000000")
    assert not await signs_in(at, codes[0], "wrong")
    assert await signs_in(at, codes[0])
    assert await signs_in(at, telephone.at(clock.now))
    assert not await signs_in(at, telephone.at(clock.now))


async def test_wrong_codes_wait_wherever_they_come_from(tmp_path: Path, clock: Clock) -> None:
    """Whoever tries them has the password already: other addresses give no further tries."""
    at = door(tmp_path)
    at.close = at.wide = Tries(lambda: 0.0, free=1000)
    at.codes = Tries(lambda: 0.0, free=5)
    at.factors._clock = clock
    telephone, _ = set_up(at.factors, clock)
    for _ in range(5):
        assert not await signs_in(at, "000000")
    with pytest.raises(Exception, match="429"):
        await signs_in(at, telephone.at(clock.now))


async def test_where_one_is_demanded_nobody_has_a_role_without(tmp_path: Path, clock: Clock) -> None:
    """They sign in, and can do nothing but set it up."""
    at = door(tmp_path)
    at.demands_factor = True
    found = await at.authenticate(None, {"username": "ana", "password": "right"})
    assert found is not None
    assert found["groups"] == []
    at.factors._clock = clock
    telephone, _ = set_up(at.factors, clock)
    found = await at.authenticate(None, {"username": "ana", "password": "right", "otp": telephone.at(clock.now)})
    assert found is not None
    assert found["groups"] == ["researcher"]
