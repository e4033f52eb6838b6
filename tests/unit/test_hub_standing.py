"""Whoever does not belong here any more is put out, whatever the provider does meanwhile."""

import asyncio
import logging
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

from twinpane_hub.projects import Directory, Project, Site
from twinpane_hub.standing import AT_ONCE, Standing

FIRST = Project(title="First", sites=("a",), members=("in",), expires=date(2100, 1, 1))
DIRECTORY = Directory(projects={"first": FIRST}, sites={"a": Site()})


class Person:
    """A user of the hub with a token, and a server where a project is named."""

    def __init__(self, name: str, project: str = "", token: bool = True) -> None:
        self.name = name
        self.spawners = {project: SimpleNamespace(active=True, pending=None, orm_spawner=None)} if project else {}
        self.orm_user = SimpleNamespace(
            groups=[SimpleNamespace(name="researcher")], api_tokens=[SimpleNamespace(id=1)] if token else [], cookie_id="old"
        )
        self.stopped: list[str] = []

    async def stop(self, name: str) -> None:
        self.stopped.append(name)
        self.spawners[name].active = False

    def sync_groups(self, groups: list[str]) -> None:
        self.orm_user.groups = [SimpleNamespace(name=group) for group in groups]

    async def save_auth_state(self, state: object) -> None:
        return

    @property
    def out(self) -> bool:
        return not self.orm_user.api_tokens and self.orm_user.cookie_id != "old"


class Hub:
    """What the rounds use of JupyterHub."""

    def __init__(self, people: list[Person], refresh: Callable[[Any, Any], Any]) -> None:
        self.users = dict(enumerate(people))
        self.authenticator = SimpleNamespace(refresh_user=refresh)
        self.log = logging.getLogger("test")
        self.proxy = SimpleNamespace(delete_user=self._no_route)
        self.db = SimpleNamespace(query=lambda _: [(number,) for number in self.users], delete=self._delete, commit=lambda: None)

    async def _no_route(self, user: Any, name: str) -> None:
        return

    def _delete(self, token: Any) -> None:
        for person in self.users.values():
            if token in person.orm_user.api_tokens:
                person.orm_user.api_tokens.remove(token)


def rounds(people: list[Person], refresh: Callable[[Any, Any], Any], shut_out: frozenset[str] = frozenset()) -> Standing:
    return Standing(Hub(people, refresh), lambda: DIRECTORY, lambda: shut_out)


async def settled() -> None:
    """Let every task go on for as long as it can without waiting for anything outside."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_provider_that_hangs_keeps_nobody_in() -> None:
    """200 people are signed in and the provider answers about none. Who is disabled or left a project is out at once.

    Before, people were looked at while they waited for the provider, 16 at a time for 20 s: the last after four minutes.
    """
    people = [Person(f"p{number}") for number in range(200)] + [Person("disabled"), Person("gone", "first"), Person("in", "first")]
    never = asyncio.Event()

    async def hangs(user: Any, handler: Any) -> bool:
        await never.wait()
        return True

    standing = rounds(people, hangs, frozenset({"disabled"}))
    asking = asyncio.create_task(standing.ask_round())
    await settled()
    await standing.look_round()
    disabled, gone, stays = people[-3:]
    assert disabled.out
    assert gone.stopped == ["first"]
    assert not stays.stopped
    assert not any(person.out for person in people[:200])
    never.set()
    await asking


async def test_those_the_provider_hangs_about_delay_no_others() -> None:
    """It hangs about some and answers about others: those others are asked about first from the second round on."""
    people = [Person(f"p{number}") for number in range(3 * AT_ONCE)]
    people.append(Person("removed"))
    hang, removed = asyncio.Event(), False

    async def refresh(user: Any, handler: Any) -> Any:
        if user.name != "removed":
            await hang.wait()
            return True
        return False if removed else {"groups": ["researcher"]}

    standing = rounds(people, refresh)
    hang.set()
    await standing.ask_round()
    hang.clear()
    removed = True
    asking = asyncio.create_task(standing.ask_round())
    await settled()
    assert people[-1].out
    hang.set()
    await asking


async def test_a_browser_of_a_disabled_person_ends_once_and_for_good() -> None:
    """Also where nothing else goes on. Before, the sign-in of that browser held again once the person was enabled again."""
    person = Person("disabled", token=False)

    async def refresh(user: Any, handler: Any) -> bool:
        return False

    standing = rounds([person], refresh, frozenset({"disabled"}))
    await standing.look_round()
    assert person.out
    person.orm_user.cookie_id = "once"
    await standing.look_round()
    assert person.orm_user.cookie_id == "once"


async def test_one_person_that_cannot_be_looked_at_hides_no_others() -> None:
    people = [Person("broken"), Person("removed")]

    async def refresh(user: Any, handler: Any) -> bool:
        if user.name == "broken":
            raise OSError("no")
        return False

    await rounds(people, refresh).ask_round()
    assert people[1].out
    assert not people[0].out
