"""Children of the demo: one that ends is started again where it may be, and the others go on."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from twinpane_hub import processes
from twinpane_hub.processes import ChildFailed, Children


async def test_a_killed_site_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, the end of one site's agent ended the demo: hub, other sites and the researcher's server."""
    monkeypatch.setattr(processes, "LASTS_S", 0.0)
    children, said = Children(tmp_path / "logs"), asyncio.Queue[str]()
    forever = ["sleep", "600"]
    hub = await children.start("hub", forever, {}, tmp_path)
    first = await children.start("site", forever, {}, tmp_path)
    starts: list[int] = []

    async def again() -> None:
        starts.append((await children.start("site", forever, {}, tmp_path)).process.pid)

    watching = asyncio.create_task(children.watch({"site": again}, said.put_nowait))
    for victim in (first.process.pid, None):
        os.kill(victim or starts[0], signal.SIGKILL)
        async with asyncio.timeout(20):
            assert "site ended with status -9, and is started again" in await said.get()
            while len(starts) < (1 if victim else 2):
                await asyncio.sleep(0)
    assert hub.process.returncode is None
    hub.process.kill()
    with pytest.raises(ChildFailed, match="hub ended with status -9"):
        await asyncio.wait_for(watching, 20)
    await children.end("site")


async def test_a_site_that_ends_at_once_ends_the_demo(tmp_path: Path) -> None:
    """If a site ends right after its start, the whole demo ends and shows the end of the site's log."""
    children = Children(tmp_path / "logs")
    await children.start("site", ["/bin/sh", "-c", "echo no policy; exit 3"], {}, tmp_path)
    with pytest.raises(ChildFailed, match=r"status 3(.|\n)*no policy"):
        await asyncio.wait_for(children.watch({"site": asyncio.Event().wait}, lambda text: None), 20)  # type: ignore[dict-item]
