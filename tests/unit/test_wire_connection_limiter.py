"""Who may hold a connection: strangers crowd themselves only, and for a bounded time."""

from hypothesis import given
from hypothesis import strategies as st

from twinpane_wire.connection_limiter import Bounds, ConnectionLimiter, behind, neighbourhood

BOUNDS = Bounds(connections=20, strangers=10, each=3, through=6, seconds=5, served=30)


def door() -> tuple[ConnectionLimiter, list[object]]:
    ended: list[object] = []
    return ConnectionLimiter(BOUNDS, ended.append), ended


def test_one_address_crowds_itself_only() -> None:
    """The oldest silent connection of an address goes when one more of it comes."""
    here, ended = door()
    here.arrive("honest", "10.0.0.9", 0)
    for n in range(100):
        here.arrive(n, "10.0.0.1", 0)
    assert ended == list(range(97))
    assert len(here) == 4


def test_many_addresses_do_not_shut_out_a_newcomer() -> None:
    """Where strangers are too many, one of the address that has most goes, never the newcomer."""
    here, ended = door()
    for n in range(9):
        here.arrive(n, f"10.0.0.{n // 3}", 0)
    here.arrive("single", "10.0.1.1", 0)
    here.arrive("newcomer", "10.0.1.2", 0)
    assert ended == [0]


def test_who_has_shown_something_is_not_ended_to_make_room() -> None:
    """Requests being answered, and ends that have proven who they are, stay under any number of strangers."""
    here, ended = door()
    here.arrive("asks", "10.0.0.1", 0)
    here.serve("asks", 0)
    here.arrive("site", "10.0.0.1", 0)
    here.proven("site")
    for n in range(200):
        here.arrive(n, f"10.1.{n}.1", 0)
    assert not {"asks", "site"} & set(ended)
    assert len(here) == 12


def test_when_known_peers_take_all_places_strangers_are_refused() -> None:
    """When all places are taken by the known, a stranger is turned away. The bound of all connections holds."""
    here, ended = door()
    for n in range(20):
        here.arrive(n, "10.0.0.1", 0)
        here.proven(n)
    here.arrive("late", "10.0.0.2", 0)
    assert ended == ["late"]


def test_time_runs_out_for_strangers_not_for_the_proven() -> None:
    """A silent connection ends after its limit, and an answer that nobody reads ends after another limit."""
    here, ended = door()
    for name in ("silent", "asks", "site"):
        here.arrive(name, "", 0)
    here.serve("asks", 0)
    here.proven("site")
    here.end_late(5)
    assert ended == ["silent"]
    here.end_late(30)
    assert ended == ["silent", "asks"]
    here.end_late(10**6)
    assert len(here) == 1


def test_an_answered_connection_is_a_stranger_again() -> None:
    """A connection that is kept open and asks nothing more ends."""
    here, ended = door()
    here.arrive("browser", "10.0.0.1", 0)
    here.serve("browser", 1)
    here.wait("browser", "10.0.0.1", 2)
    here.end_late(6.9)
    assert not ended
    here.end_late(7)
    assert ended == ["browser"]


def test_behind_a_proxy_addresses_count_once_they_are_known() -> None:
    """A proxy's own address is nobody's; the address it names is."""
    here, ended = door()
    for n in range(8):
        here.arrive(n, "", 0)
    assert not ended
    for n in range(8):
        here.named(n, "10.0.0.1")
    assert ended == [0, 1, 2, 3, 4]


def test_addresses_that_a_proxy_names_crowd_only_themselves() -> None:
    """Who speaks through a proxy's address may name as many addresses as it likes: they have one bound in all, and the same address that
    connects directly is another. Before, 32 strangers who named a site's address ended the site's connection before its hello."""
    here, ended = door()
    for n in range(3):
        here.arrive(f"direct {n}", "10.0.0.1", 0)
    for n in range(200):
        here.arrive(n, "", 0, "127.0.0.1")
        here.named(n, "10.0.0.1" if n % 2 else f"10.1.{n}.1")
    assert ended == [*(n for n in ended if isinstance(n, int))]
    assert len(here) == 3 + BOUNDS.through


def test_behind_a_proxy_who_has_most_makes_room() -> None:
    """So one client of the proxy shuts out no other."""
    here, ended = door()
    here.arrive("site", "", 0, "127.0.0.1")
    here.named("site", "10.0.0.9")
    for n in range(200):
        here.arrive(n, "", 0, "127.0.0.1")
        here.named(n, f"10.0.0.{n % 2}")
    assert "site" not in ended


@given(st.lists(st.tuples(st.sampled_from(["arrive", "named", "serve", "proven", "wait", "leave"]), st.integers(0, 30), st.integers(0, 5))))
def test_the_bounds_hold_whatever_comes(steps: list[tuple[str, int, int]]) -> None:
    """No order of events leaves more connections, or strangers of one address, than the bounds say."""
    here, _ = door()
    there: set[int] = set()
    for step, guest, address in steps:
        name = f"10.0.0.{address}"
        match step:
            case "arrive" if guest not in there:
                here.arrive(guest, "" if address == 0 else name, 0, "" if address % 2 else "127.0.0.1")
                there.add(guest)
            case "named":
                here.named(guest, name)
            case "wait":
                here.wait(guest, name, 0)
            case "serve":
                here.serve(guest, 0)
            case "proven":
                here.proven(guest)
            case "leave":
                here.leave(guest)
                there.discard(guest)
        assert len(here) <= BOUNDS.connections
        assert len(here._strangers) <= BOUNDS.strangers
        assert all(n <= BOUNDS.each for (_, its), n in here._of.items() if its)
        assert sum(n for (through, _), n in here._of.items() if through) <= BOUNDS.through


def test_what_is_behind_our_proxies_and_nothing_further() -> None:
    """Only what a proxy of ours wrote is believed: a client's own X-Forwarded-For changes nothing."""
    proxies = frozenset({"127.0.0.1", "10.0.0.2"})
    assert behind("203.0.113.7", "198.51.100.1", proxies) == "203.0.113.7"
    assert behind("127.0.0.1", "198.51.100.1, 203.0.113.7", proxies) == "203.0.113.7"
    assert behind("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.2", proxies) == "203.0.113.7"
    assert behind("127.0.0.1", "", proxies) == ""


def test_one_customer_of_ipv6_is_one_address() -> None:
    """A /64 is one neighbour, whatever its 2^64 addresses."""
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1")
    assert neighbourhood("::ffff:192.0.2.1") == "192.0.2.1"
    assert neighbourhood("") == ""
