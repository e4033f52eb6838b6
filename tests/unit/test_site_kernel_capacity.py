"""Places for inside kernels: never more than allowed, and free at times that no kernel moves."""

from hypothesis import given
from hypothesis import strategies as st

from twinpane_site.kernel_capacity import FREE_S, SHUT_S, KernelCapacity

STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "close", "dead"]), st.integers(0, 7), st.floats(0, 2, allow_nan=False)), min_size=1, max_size=40
)


@given(st.integers(1, 4), STEPS)
def test_there_are_never_more_places_taken_than_allowed(most, steps):
    """Whatever is opened, closed and killed in whatever order: a kernel lives from its start until its place is free, at most."""
    places, now, starts, ends, taken = KernelCapacity(most), 0.0, {}, {}, 0
    for act, number, pause in steps:
        now += pause
        session = str(number)
        open_ones = [name for name in starts if name not in ends]
        if act == "take" and session not in starts and len(open_ones) < most and not places.stuck(now):
            start = places.take(session, now)
            if start is not None:
                assert start >= now
                starts[session] = start
                taken += 1
        elif act == "close" and session in open_ones:
            places.close(session, now)
            ends[session] = now + FREE_S if starts[session] <= now else starts[session]
        elif act == "dead" and session in ends:
            places.dead(session)
    for moment in {*starts.values()}:
        assert sum(start <= moment < ends.get(name, float("inf")) for name, start in starts.items()) <= most
    assert taken == len(starts)


@given(st.booleans(), st.floats(0, FREE_S * 0.99))
def test_a_kernels_death_does_not_tell_when_its_place_is_free(dies, after):
    """When a place is free does not depend on when its kernel died.

    It once did: the acknowledgement of the next opening told when the kernel was dead.
    """
    places = KernelCapacity(1)
    assert places.take("a", 0.0) == 0.0
    places.close("a", 10.0)
    if dies:
        places.dead("a")
    assert places.take("b", 10.0 + after) == 10.0 + FREE_S


def test_a_place_that_was_promised_is_not_given_away():
    places = KernelCapacity(1)
    places.take("a", 0.0)
    places.close("a", 10.0)
    assert places.take("b", 11.0) == 10.0 + FREE_S
    assert places.take("c", 12.0) is None


def test_who_closes_before_its_start_takes_no_place():
    """Its kernel never lived: the promise goes back, and the next one starts when it would have."""
    places = KernelCapacity(1)
    places.take("a", 0.0)
    places.close("a", 10.0)
    places.take("b", 11.0)
    places.close("b", 11.5)
    assert places.take("c", 12.0) == 10.0 + FREE_S
    assert not places.stuck(12.0)


def test_a_kernel_past_its_time_shuts_everybody_out_for_an_hour():
    """A kernel that outlives its time shuts everybody out for an hour.

    Before: until it was dead, which it chose; an opening read a bit a close, 60 to 120 an hour, for nothing.
    """
    places = KernelCapacity(8)
    places.take("a", 0.0)
    places.close("a", 10.0)
    assert not places.stuck(10.0 + FREE_S - 0.01)
    assert places.stuck(10.0 + FREE_S)
    places.dead("a")
    assert places.stuck(10.0 + FREE_S + SHUT_S - 1)
    assert not places.stuck(10.0 + FREE_S + SHUT_S)
    assert places.take("b", 20.0 + SHUT_S + FREE_S) == 20.0 + SHUT_S + FREE_S


def test_what_was_never_taken_changes_nothing():
    places = KernelCapacity(1)
    places.close("x", 1.0)
    places.dead("x")
    assert not places.stuck(9.0)
    assert places.take("a", 9.0) == 9.0
