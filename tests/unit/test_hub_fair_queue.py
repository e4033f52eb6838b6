"""What waits for a link is bounded, and senders take turns."""

import asyncio

from twinpane_hub.switchboard.fair_queue import FairQueue


async def test_lanes_take_turns_and_each_keeps_its_order() -> None:
    lanes = FairQueue()
    for frame in ("a1", "a2", "a3"):
        lanes.put("a", frame)
    lanes.put("b", "b1")
    assert [await lanes.get() for _ in range(4)] == ["a1", "b1", "a2", "a3"]


async def test_a_full_lane_refuses_while_others_still_take() -> None:
    lanes = FairQueue(lane_bytes=10, lane_frames=3)
    assert lanes.put("a", "x" * 8)
    assert not lanes.put("a", "x" * 8)
    assert lanes.put("b", "x" * 8)
    assert all(lanes.put("c", "x") for _ in range(3))
    assert not lanes.put("c", "x")


async def test_an_empty_lane_takes_one_frame_of_any_size() -> None:
    lanes = FairQueue(lane_bytes=10)
    assert lanes.put("a", "x" * 1000)
    assert not lanes.put("a", "x")


async def test_a_sender_that_waits_for_room_goes_on_when_there_is_some() -> None:
    lanes = FairQueue(lane_bytes=10)
    lanes.put("a", "x" * 10)
    waiting = asyncio.create_task(lanes.put_waiting("a", "late"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await lanes.get() == "x" * 10
    await waiting
    assert await lanes.get() == "late"


async def test_the_lane_of_a_sender_that_is_gone_is_forgotten() -> None:
    lanes = FairQueue()
    lanes.put("a", "a1")
    lanes.put("b", "b1")
    lanes.drop("a")
    assert len(lanes) == 1
    assert await lanes.get() == "b1"


async def test_get_waits_for_the_first_frame() -> None:
    lanes = FairQueue()
    waiting = asyncio.create_task(lanes.get())
    await asyncio.sleep(0)
    lanes.put("a", "a1")
    assert await waiting == "a1"
