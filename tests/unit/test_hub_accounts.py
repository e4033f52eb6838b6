"""Local accounts: hashes only, the same time for every name, and wrong tries that get dearer."""

from pathlib import Path

import pytest

from twinpane_hub.accounts import Account, AccountsError, AccountsFile, check_name, hashed, load, mark, new_password, save, verify
from twinpane_hub.tries import Tries

ANA = {"ana": Account(password=hashed("right"), groups=("researcher",))}


def test_the_right_password_is_let_in_and_no_other() -> None:
    assert verify(ANA, "ana", "right")
    assert not verify(ANA, "ana", "wrong")
    assert not verify(ANA, "ana", "")
    assert not verify(ANA, "nobody", "right")


def test_the_file_holds_no_password_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    save(path, ANA)
    assert "right" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path) == ANA


@pytest.mark.parametrize(
    "text",
    [
        "accounts = 1", "[accounts", "[accounts.ana]\npassword = 'plain'\n", "[accounts.'../ana']\npassword = '$argon2id$x'\n",
        "[accounts.ana]\npassword = '$argon2id$x'\ngroups = ['root']\n", "[accounts.ana]\npassword = '$argon2id$x'\nadmin = true\n", "",
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_without_repeating_a_hash(tmp_path: Path, text: str) -> None:
    """A broken file is refused, and its message repeats no hash."""
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    with pytest.raises(AccountsError) as refused:
        load(path)
    assert "accounts.toml" in str(refused.value)
    assert "$argon2id$x" not in str(refused.value)


def test_a_changed_file_is_read_again_and_a_broken_one_is_timed(tmp_path: Path) -> None:
    """Who changed it, and since when it cannot be read, decides who goes on."""
    path, now = tmp_path / "accounts.toml", [0.0]
    save(path, ANA)
    file = AccountsFile(path, lambda: now[0])
    assert file() == ANA
    save(path, {})
    assert file() == {}
    path.write_text("[accounts")
    now[0] = 5.0
    for _ in range(2):  # also where it did not change since
        with pytest.raises(AccountsError):
            file()
    path.unlink()
    now[0] = 7.0
    with pytest.raises(AccountsError):
        file()
    assert file.silent_s == 7.0
    save(path, ANA)
    assert file() == ANA
    assert file.silent_s == 0.0


def test_a_password_s_mark_differs_where_it_was_changed() -> None:
    assert mark(ANA["ana"]) == mark(ANA["ana"].model_copy(update={"groups": ()}))
    assert mark(ANA["ana"]) != mark(Account(password=hashed("right")))


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a/b", "A", "a b", "a\n", "ä", "a" * 81])
def test_names_that_are_no_folder_or_address_are_refused(name: str) -> None:
    with pytest.raises(AccountsError):
        check_name(name)


def test_passwords_are_long_and_never_the_same() -> None:
    made = {new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(len(password.replace("-", "")) == 16 for password in made)


def test_after_the_free_tries_each_wait_is_twice_as_long() -> None:
    """After the free tries, each further one waits twice as long."""
    now = [0.0]
    tries = Tries(lambda: now[0], free=2, first=2, longest=10)
    waits = []
    for _ in range(6):
        tries.failed("ana")
        waits.append(tries.wait("ana"))
        now[0] += tries.wait("ana")
    assert waits == pytest.approx([0, 2, 4, 8, 10, 10], rel=0.1)


def test_one_name_waits_and_another_does_not() -> None:
    tries = Tries(lambda: 0.0, free=1)
    tries.failed("ana")
    assert tries.wait("ana") > 0
    assert tries.wait("ben") == 0
    assert tries.wait("ben", "ana") > 0


def test_a_right_password_clears_the_count() -> None:
    tries = Tries(lambda: 0.0, free=1)
    tries.failed("ana")
    tries.succeeded("ana")
    assert tries.wait("ana") == 0


def test_a_wrong_try_a_day_never_adds_up() -> None:
    """Counts go down by themselves. Before, they never did: one typo a day locked a hospital out for good."""
    now = [0.0]
    tries = Tries(lambda: now[0], free=5)
    for _ in range(100):
        tries.failed("from the hospital's one address")
        assert tries.wait("from the hospital's one address") == 0
        now[0] += 86_400


def test_names_that_are_all_fresh_do_not_grow_for_ever_either() -> None:
    """A flood of made-up names takes no more room than the bound."""
    tries = Tries(lambda: 0.0, most=50)
    for n in range(500):
        tries.failed(f"name{n}")
    assert len(tries._wrong) == 50


def test_what_is_counted_does_not_grow_for_ever() -> None:
    now = [0.0]
    tries = Tries(lambda: now[0], half_life=10)
    for n in range(10_001):
        tries.failed(f"name{n}")
        now[0] += 1
    assert len(tries._wrong) < 100
