"""Chromium, one demo for all walks through it, and the people in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import walkthrough_demo
from playwright import sync_api
from walkthrough_demo import Demo, Person

from twinpane_ground import children

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs Chromium: no {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A hub and three sites."""
    running = walkthrough_demo.start(tmp_path_factory.mktemp("walk"))
    yield running
    running.stop()
    children.end_descendants()


@pytest.fixture(scope="session")
def person(chromium: Any, demo: Demo) -> Callable[..., Person]:
    """A new browser window for this person."""
    return lambda name, **context: Person(chromium, demo, name, **context)
