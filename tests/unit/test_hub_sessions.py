"""The book of sessions: whose each is, for ever, and no faster than people work."""

from twinpane_hub.switchboard.sessions import NEW, Sessions
from twinpane_wire.messages import Principal

ANA, BEN = Principal(user="ana", project="p"), Principal(user="ben", project="p")


def name(number: int) -> str:
    return f"{number:032x}"


def test_who_begins_sessions_without_end_has_to_wait() -> None:
    """Each new session is a row for ever. Known sessions go on."""
    now = 0.0
    book = Sessions(None, lambda: now)
    begun = 0
    while book.has_room(name(begun), ANA):
        assert book.claim(name(begun), ANA)
        begun += 1
    assert begun == NEW + 1
    assert book.has_room(name(0), ANA)
    assert book.has_room(name(10**6), BEN)
    now = 60.0
    assert book.has_room(name(begun), ANA)


def test_what_is_anothers_stays_so() -> None:
    """Asking for it costs and changes nothing."""
    book = Sessions(None)
    assert book.claim(name(1), ANA)
    assert not book.claim(name(1), BEN)
    assert book.owner(name(1)) == ANA
