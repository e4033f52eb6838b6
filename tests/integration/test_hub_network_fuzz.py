"""Whatever an administrator sends to the API is answered as its description says, and never with an error of the hub's own."""

from collections.abc import Iterator

import pytest
import schemathesis
from hub_factories import PASSWORDS, Hub, running
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from twinpane_hub.network.api_routes import ROOT, ROUTES, Route, openapi
from twinpane_hub.project_tokens import NETWORK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EXAMPLES = 12
"""Of each route: a bound, so that the tests end."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    projects = {"first": {"title": "First look", "sites": ["a"], "members": ["researcher"], "expires": "2100-01-01"}}
    with running(tmp_path_factory.mktemp("hub"), projects=projects, sites={"a": {}}, review={}) as found:
        yield found


@pytest.fixture(scope="module")
def token(hub: Hub) -> str:
    browser = hub.sign_in("admin")
    page = browser.get("/hub/token").text
    form = {"_xsrf": page.split('name="_xsrf" value="')[1].split('"')[0], "project": NETWORK, "days": "1", "password": PASSWORDS["admin"]}
    return str(browser.client.post("/hub/token", data=form).text.split('id="token">')[1].split("<")[0])


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does not fit"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_request_is_answered_with_an_error_of_the_hub(hub: Hub, token: str, route: Route, mode: GenerationMode) -> None:
    """No 500, and each answer is of a status and a shape that the description names."""
    operation = schemathesis.openapi.from_dict(openapi("tests"))[ROOT + route.path][route.method]
    if mode is GenerationMode.NEGATIVE and not (route.takes or route.is_named):
        return  # there is nothing in it that could be wrong

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=hub.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    ask()
