"""A hub may have many connections open, whatever the shell or systemd begins it with."""

import resource

import pytest
from tornado.httpserver import HTTPServer

from twinpane_hub import request_limits


@pytest.mark.parametrize(
    ("begins_with", "has"),
    [
        ((1024, 524_288), (16_384, 524_288)),
        ((1024, 4096), (4096, 4096)),
        ((100_000, resource.RLIM_INFINITY), (100_000, resource.RLIM_INFINITY)),
    ],
)
def test_the_hub_takes_the_descriptors_that_it_may_have(
    monkeypatch: pytest.MonkeyPatch, begins_with: tuple[int, int], has: tuple[int, int]
) -> None:
    """With systemd's 1,024, as many unfinished forms made it deaf for 30 s, and its log grew by 121 MB."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(HTTPServer, "configure", lambda *args, **more: None)
    monkeypatch.setattr(request_limits, "LOGGERS", ())
    monkeypatch.setattr(resource, "getrlimit", lambda kind: begins_with)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: given.append(limits))
    request_limits.bound_requests()
    assert given == [has]
