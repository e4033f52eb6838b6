"""A reviewer at a site's real pages, through the pages alone: signs in, reads, marks and hands in."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx


class Reviewer:
    """One person's browser. The hub is ``fake_hub``: the code that it would send back is the name."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self._browser = httpx.AsyncClient(base_url=address, timeout=20, trust_env=False)

    async def sign_in(self) -> httpx.Response:
        """Sign in, and return the queue's page."""
        sent = await self._browser.get("/sign-in")
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        back = await self._browser.get("/oauth_callback", params={"state": state, "code": self.name})
        assert back.status_code == 303, back.text
        return await self._browser.get("/")

    async def get(self, path: str) -> httpx.Response:
        """A page."""
        return await self._browser.get(path)

    async def post(self, path: str, **form: str) -> httpx.Response:
        """A form, as the pages would send it."""
        page = (await self._browser.get("/")).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page[:2000]
        return await self._browser.post(path, data={"csrf": found[1], **form}, headers={"Origin": self.address})

    async def close(self) -> None:
        """Close the browser."""
        await self._browser.aclose()
