"""Whose question goes to the broker's process next, and what becomes of questions during which it dies."""

import asyncio
from itertools import count

import pytest

from twinpane_broker.question.plan import Plan
from twinpane_site.answering.fair_queue import FairQueue, Question

PLAN = Plan.model_validate({"table": "person", "measures": [{"kind": "count"}]})
numbers = count(1)


def question(user: str = "ana") -> Question:
    return Question(next(numbers), user, "p", PLAN, asyncio.get_running_loop().create_future())


def lined(*questions: Question, **more: int) -> FairQueue:
    line = FairQueue(**more)
    for each in questions:
        line.add(each)
    return line


def going(line: FairQueue) -> list[Question]:
    """All that may go now."""
    return list(iter(line.next, None))


async def test_users_take_turns_and_nobody_has_more_than_a_share() -> None:
    """One user's many questions leave places to another's."""
    ana, ben = [question("ana") for _ in range(9)], [question("ben") for _ in range(2)]
    assert going(lined(*ana, *ben)) == [ana[0], ben[0], ana[1], ben[1], ana[2]]


async def test_no_more_are_under_way_than_there_are_places() -> None:
    """A question waits until another was answered."""
    questions = [question(f"user-{number}") for number in range(5)]
    line = lined(*questions, places=4)
    assert going(line) == questions[:4]
    assert line.done(questions[1].number) is questions[1]
    assert going(line) == questions[4:]


async def test_an_answer_to_no_question_is_noticed() -> None:
    """An answer counts once, and only for what is under way."""
    asked = question()
    line = lined(asked)
    assert line.done(asked.number) is None
    assert going(line) == [asked]
    assert line.done(asked.number) is asked
    assert line.done(asked.number) is None


async def test_what_was_under_way_at_a_death_is_asked_again_alone() -> None:
    """Each gets its answer, one by one, and the others wait so long."""
    first, second, waits = question(), question("ben"), question("cleo")
    line = lined(first, second)
    going(line)
    line.add(waits)
    assert line.died() == []
    assert going(line) == [first]
    line.done(first.number)
    assert going(line) == [second]
    line.done(second.number)
    assert going(line) == [waits]


async def test_a_question_not_handed_over_is_no_suspect() -> None:
    """The question was never asked, so it cannot have killed the process."""
    first, second, ben = question(), question(), question("ben")
    line = lined(first, second, ben)
    assert line.next() is first
    line.back(first)
    assert line.died() == []
    assert [found.user for found in going(line)] == ["ben", "ana", "ana"]
    line.died()
    suspect = line.next()
    assert suspect is not None
    line.back(suspect)
    assert going(line) == [suspect]
    line.back(question())
    assert line.done(suspect.number) is suspect


async def test_the_question_that_the_process_dies_of_is_found() -> None:
    """Two deaths convict one question: the one that was alone."""
    good, bad = question(), question("ben")
    line = lined(good, bad)
    going(line)
    line.died()
    assert going(line) == [good]
    line.done(good.number)
    assert going(line) == [bad]
    assert line.died() == [bad]
    assert going(line) == []


@pytest.mark.parametrize("under_way", [True, False])
async def test_a_line_is_emptied_whole(under_way: bool) -> None:
    """Where there is no process, everything that waits can be told so."""
    questions = [question(), question(), question("ben")]
    line = lined(*questions)
    if under_way:
        line.next()
    assert {each.number for each in line.all()} == {each.number for each in questions}
    assert line.all() == []
