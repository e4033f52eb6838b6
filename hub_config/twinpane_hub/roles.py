"""What each role may do at the hub: only what its work needs.

Roles come from groups, and groups from sign-in. JupyterHub's own ``admin`` role may enter every server and act as every user, and it
cannot be redefined. So nobody has it, and a hub admin has a role of ours that sees neither notebooks nor held items.
"""

from collections.abc import Iterable

SCOPE = "custom:network:administer"
"""The right to keep the network: administrators have it, and tokens that they made for the API."""
ADMIN = (
    SCOPE, "list:users", "read:users", "read:groups", "read:servers", "delete:servers", "read:hub", "read:services", "list:services",
)  # fmt: skip
"""Keeps the network, sees who is signed in and which servers run, and can stop servers. Cannot enter or start one, or change groups."""


def review_service(site: str) -> str:
    """The hub's name for a site's review pages."""
    return f"review-{site}"


METRICS = "metrics"
"""The hub's name for whoever reads its numbers, and that one's role."""


def roles(review_sites: Iterable[str], metrics: bool = False) -> list[dict[str, str | list[str]]]:
    """JupyterHub's ``load_roles``. ``metrics``: whether somebody reads the hub's numbers."""
    watching: list[dict[str, str | list[str]]] = [
        {"name": METRICS, "description": "Reads the hub's numbers", "services": [METRICS], "scopes": ["read:metrics"]}
    ]
    pages = [f"access:services!service={review_service(site)}" for site in review_sites]
    return [
        {"name": "user", "description": "Everyone: their own name and roles", "scopes": ["read:users:name!user", "read:users:groups!user"]},
        {"name": "admin", "users": [], "groups": [], "services": []},
        {"name": "token", "description": "A token may what its owner may", "scopes": ["inherit"]},
        {
            "name": "researcher", "description": "Works in notebooks: their own servers", "groups": ["researcher"],
            "scopes": ["servers!user", "access:servers!user", "read:users!user", "users:activity!user"],
        },
        {
            "name": "reviewer", "description": "Signs in at sites' review pages; who decides there is each site's policy",
            "groups": ["reviewer"], "scopes": pages,
        },
        {"name": "steward", "description": "Signs in at sites' pages", "groups": ["steward"], "scopes": pages},
        {"name": "hub-admin", "description": "Runs the hub, sees no content", "groups": ["admin"], "scopes": list(ADMIN)},
        *(watching if metrics else ()),
    ]  # fmt: skip
