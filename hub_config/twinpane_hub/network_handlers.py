"""How requests of administrators reach ``network.administration``: who asks, and what goes wrong in words."""

import contextlib
from collections.abc import Iterator
from datetime import UTC
from importlib.metadata import version
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from pydantic import BaseModel, ValidationError
from tornado.web import HTTPError

from twinpane_ground import mistakes

from .accounts import AccountsError
from .disabled import DisabledError
from .network.administration import Administration, PersonRow, now
from .network.api_routes import Route, openapi, paths, pattern
from .network.database import StoreError
from .projects import NoSuch, ProjectsError
from .roles import SCOPE


class HubUsers:
    """The hub's people, as JupyterHub keeps them."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def known(self) -> list[PersonRow]:
        """See ``network.administration.Users``."""
        return [self._row(user) for user in self._handler.db.query(orm.User)]

    def _row(self, user: Any) -> PersonRow:
        spawners = self._handler.users[user.id].spawners
        return PersonRow(
            name=user.name, roles=tuple(sorted(group.name for group in user.groups)), shut_out=False,
            last_active=user.last_activity.replace(tzinfo=UTC) if user.last_activity else None,
            servers=tuple(sorted(name for name, spawner in spawners.items() if spawner.active)), projects=(),
        )  # fmt: skip


def administration(handler: Any) -> Administration:
    """The acts of whoever asks. Raises HTTPError where that is no administrator."""
    if handler.current_user is None or SCOPE not in handler.expanded_scopes:
        raise HTTPError(403, "This is for the hub's administrators.")
    settings = handler.settings
    name = getattr(handler.current_user, "name", "")
    return Administration(name, settings["twinpane_directory"], settings["twinpane_settings"], HubUsers(handler), now)


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """What an act refuses, as a status and one sentence."""
    try:
        yield
    except ValidationError as error:
        raise HTTPError(400, str(mistakes.first(error))) from None
    except NoSuch as error:
        raise HTTPError(404, str(error)) from None
    except (ProjectsError, AccountsError) as error:
        raise HTTPError(400, str(error)) from None
    except (StoreError, DisabledError, OSError) as error:
        raise HTTPError(503, str(error)) from None


class NetworkApi(APIHandler):  # type: ignore[misc]  # JupyterHub is written without types
    """One path of the API."""

    def initialize(self, routes: dict[str, Route]) -> None:
        """Called by tornado for each request."""
        self._routes = routes

    def _answer(self, *names: str) -> None:
        acts = administration(self)
        route = self._routes.get(self.request.method)
        if route is None:
            self.set_header("Allow", ", ".join(self._routes))
            raise HTTPError(405, "This path has no such method.")
        with in_words():
            body = [] if route.takes is None else [_body(self.request.body, route.takes)]
            answer = route.act(acts, *names, *body)
        self.set_header("Content-Type", "application/json")
        self.finish(answer.model_dump_json())

    get = post = put = patch = delete = _answer


class NetworkDescription(APIHandler):  # type: ignore[misc]  # JupyterHub is written without types
    """``openapi.json``: the description is no secret, and asked for by programs before they have a token."""

    def get(self) -> None:
        """The description."""
        self.finish(openapi(version("twinpane")))


def _body(text: bytes, kind: type[BaseModel]) -> BaseModel:
    return kind.model_validate_json(text, strict=True)


def handlers() -> list[tuple[Any, ...]]:
    """The API, as JupyterHub takes handlers."""
    found: list[tuple[Any, ...]] = [("/api/network/openapi.json", NetworkDescription)]
    return [*found, *((pattern(path), NetworkApi, {"routes": routes}) for path, routes in paths().items())]
