"""A queue of what is to be sent over one link: bounded, and fair to all senders.

Each sender has its own lane and lanes take turns, so a sender that floods a link delays only itself. An empty lane takes any frame;
further frames must keep it within its bounds. So the number of senders bounds the memory.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable

LANE_BYTES = 8 * 2**20
LANE_FRAMES = 2048


class FairQueue:
    """A queue of text frames for one link, with one bounded lane for each sender."""

    def __init__(self, lane_bytes: int = LANE_BYTES, lane_frames: int = LANE_FRAMES) -> None:
        """Bounds of each lane, in characters and in frames."""
        self._bytes = lane_bytes
        self._frames = lane_frames
        self._lanes: OrderedDict[Hashable, deque[str]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    def put(self, lane: Hashable, frame: str) -> bool:
        """Queue a frame. Return False and queue nothing if the lane is full."""
        waiting = self._lanes.get(lane)
        if waiting and (len(waiting) >= self._frames or self._sizes[lane] + len(frame) > self._bytes):
            return False
        self._lanes.setdefault(lane, deque()).append(frame)
        self._sizes[lane] = self._sizes.get(lane, 0) + len(frame)
        self._filled.set()
        return True

    def waits(self, lane: Hashable) -> bool:
        """Whether a lane has frames that wait."""
        return lane in self._lanes

    def put_only(self, lane: Hashable, *frames: str) -> None:
        """Queue these frames in place of all that wait in the lane, because older ones are of no use any more."""
        self._lanes.pop(lane, None)
        self._sizes.pop(lane, None)
        self._lanes[lane] = deque(frames)
        self._sizes[lane] = sum(map(len, frames))
        self._filled.set()
        self._room.set()

    async def put_waiting(self, lane: Hashable, frame: str) -> None:
        """Queue a frame as soon as its lane has room. Only this sender waits."""
        while not self.put(lane, frame):
            self._room.clear()
            await self._room.wait()

    async def get(self) -> str:
        """The next frame: lanes take turns, each lane keeps its order."""
        while not self._lanes:
            self._filled.clear()
            await self._filled.wait()
        lane, waiting = self._lanes.popitem(last=False)
        frame = waiting.popleft()
        self._sizes[lane] -= len(frame)
        if waiting:
            self._lanes[lane] = waiting
        else:
            del self._sizes[lane]
        self._room.set()
        return frame

    def drop(self, lane: Hashable) -> None:
        """Forget the frames of a sender that is gone. It sends again what was not acknowledged."""
        self._lanes.pop(lane, None)
        self._sizes.pop(lane, None)
        self._room.set()

    def __len__(self) -> int:
        """Frames that wait, in all lanes."""
        return sum(len(waiting) for waiting in self._lanes.values())
