"""A running switchboard for the tests of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from switchboard_desk import Desk, opened

from twinpane_hub.switchboard import serving


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url:
            yield desk
