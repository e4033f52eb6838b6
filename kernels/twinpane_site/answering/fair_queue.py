"""Decides which question goes to the broker's process next. It keeps lists only: nothing here waits.

Users take turns, and nobody has more than half of the places. This limits the delay that one user's long questions cause to others. If
the process dies during a question, that question is asked once more, alone. If the process dies again, this question is to blame and is
refused. So a question that kills the broker costs two starts, and no other question loses its answer.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass

from twinpane_broker import Plan, Refusal, Release

PLACES = 6
"""Questions under way at the same time."""
SHARE = 3
"""Of these, one user's."""


@dataclass(eq=False)
class Question:
    """A question on its way."""

    number: int
    user: str
    project: str
    plan: Plan
    answer: "asyncio.Future[Release | Refusal]"
    suspect: bool = False
    """The process died while it was under way."""


class FairQueue:
    """Questions that wait, and those under way."""

    def __init__(self, places: int = PLACES, share: int = SHARE) -> None:
        self._places = places
        self._share = share
        self._waiting: OrderedDict[str, deque[Question]] = OrderedDict()
        self._suspects: deque[Question] = deque()
        self._under_way: dict[int, Question] = {}

    def add(self, question: Question) -> None:
        """Append a question to its user's queue."""
        self._waiting.setdefault(question.user, deque()).append(question)

    def next(self) -> Question | None:
        """The question to ask now; it then counts as under way. None if none may go yet."""
        if self._suspects or any(question.suspect for question in self._under_way.values()):
            return self._go(self._suspects.popleft()) if self._suspects and not self._under_way else None
        if len(self._under_way) >= self._places:
            return None
        for user in list(self._waiting):
            if sum(question.user == user for question in self._under_way.values()) < self._share:
                self._waiting.move_to_end(user)
                question = self._waiting[user].popleft()
                if not self._waiting[user]:
                    del self._waiting[user]
                return self._go(question)
        return None

    def _go(self, question: Question) -> Question:
        self._under_way[question.number] = question
        return question

    def done(self, number: int) -> Question | None:
        """Remove an answered question and return it; None if no such question is under way."""
        return self._under_way.pop(number, None)

    def back(self, question: Question) -> None:
        """Put back a question that could not be handed over: it is its user's next again."""
        if self._under_way.pop(question.number, None) is None:
            return
        if question.suspect:
            self._suspects.appendleft(question)
        else:
            self._waiting.setdefault(question.user, deque()).appendleft(question)

    def again(self) -> None:
        """Note that the process was replaced: what it was asked is asked again first, and no question is to blame."""
        for question in reversed(list(self._under_way.values())):
            self.back(question)

    def died(self) -> list[Question]:
        """Note that the process died. Returns the question to blame if it was asked alone; all others are asked again, one by one."""
        under_way, self._under_way = list(self._under_way.values()), {}
        guilty = [question for question in under_way if question.suspect]
        for question in under_way:
            if not question.suspect:
                question.suspect = True
                self._suspects.append(question)
        return guilty

    def all(self) -> list[Question]:
        """Empty the queue; returns all questions that wait or are under way."""
        found = [*self._under_way.values(), *self._suspects, *(question for queue in self._waiting.values() for question in queue)]
        self._under_way.clear()
        self._suspects.clear()
        self._waiting.clear()
        return found
