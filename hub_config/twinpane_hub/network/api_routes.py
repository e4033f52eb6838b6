"""The REST API as one table: the handler, its OpenAPI description and the test of who may do what all read it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from twinpane_hub.projects import Directory

from .administration import Administration
from .requests import Invitation, NewProject, NewSite, ProjectChange, SiteChange

ROOT = "/hub/api/network"
NAME = r"[^/]{1,255}"


@dataclass(frozen=True)
class Route:
    """One method of one path. ``takes``: the type of the body."""

    method: str
    path: str
    act: Callable[..., BaseModel]
    takes: type[BaseModel] | None = None

    @property
    def is_named(self) -> bool:
        """Whether the path has a name in it."""
        return "{name}" in self.path

    @property
    def gives(self) -> type[BaseModel]:
        """The type of the answer."""
        found: type[BaseModel] = get_type_hints(self.act)["return"]
        return found


A = Administration
ROUTES = (
    Route("GET", "", A.network),
    Route("PUT", "", A.apply, Directory),
    Route("POST", "/plan", A.plan, Directory),
    Route("GET", "/projects", A.projects),
    Route("POST", "/projects", A.propose, NewProject),
    Route("GET", "/projects/{name}", A.project),
    Route("PATCH", "/projects/{name}", A.change_project, ProjectChange),
    Route("GET", "/sites", A.sites),
    Route("POST", "/sites", A.add_site, NewSite),
    Route("GET", "/sites/{name}", A.site),
    Route("PATCH", "/sites/{name}", A.change_site, SiteChange),
    Route("DELETE", "/sites/{name}", A.remove_site),
    Route("POST", "/sites/{name}/invitation", A.invite, Invitation),
    Route("DELETE", "/sites/{name}/key", A.forget_key),
    Route("GET", "/people", A.people),
    Route("PUT", "/people/{name}/shut-out", A.shut_out),
    Route("DELETE", "/people/{name}/shut-out", A.let_in),
    Route("GET", "/changes", A.changes),
)


def paths() -> dict[str, dict[str, Route]]:
    """The routes by path, and then by method."""
    found: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = route
    return found


def pattern(path: str) -> str:
    """A path as a regular expression, for the web server."""
    return "/api/network" + re.sub(r"\{name\}", f"({NAME})", path)


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description."""
    both = [(route.takes, "validation") for route in ROUTES if route.takes] + [(route.gives, "serialization") for route in ROUTES]
    refs, schemas = models_json_schema(list(dict.fromkeys(both)), ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    error = {"type": "object", "properties": {"status": {"type": "integer"}, "message": {"type": "string"}}, "required": ["message"]}
    found: dict[str, Any] = {}
    for route in ROUTES:
        said = {str(code): _answer(words, {"$ref": "#/components/schemas/Error"}) for code, words in _refusals(route).items()}
        operation: dict[str, Any] = {
            "operationId": route.act.__name__,
            "summary": (route.act.__doc__ or "").split("\n")[0],
            "responses": {"200": _answer("Done.", refs[route.gives, "serialization"]), **said},
        }  # fmt: skip
        if route.takes is not None:
            body = refs[route.takes, "validation"]
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        if route.is_named:
            shape = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^/?#]+$"}
            operation["parameters"] = [{"name": "name", "in": "path", "required": True, "schema": shape}]
        found.setdefault(ROOT + route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Twinpane: the network of a hub", "version": version},
        "paths": found,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Error": error},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }  # fmt: skip


def _refusals(route: Route) -> dict[int, str]:
    found = {403: "You may not.", 503: "The store cannot be used now."}
    if route.takes is not None or route.method != "GET":
        found[400] = "It may not be so: the message says why. Nothing was changed."
    if route.is_named:
        found[404] = "There is none of that name."
    return found


def _answer(words: str, schema: Any) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
