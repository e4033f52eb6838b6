"""Roles have the least scopes: no role sees other people's notebooks, and an admin sees no content."""

from jupyterhub.scopes import scope_definitions

from twinpane_hub.roles import ADMIN, SCOPE, roles

ROLES = {role["name"]: role for role in roles(("a", "b"))}


def test_nobody_has_jupyterhubs_own_admin_role() -> None:
    assert ROLES["admin"] == {"name": "admin", "users": [], "groups": [], "services": []}


def test_no_role_reaches_beyond_ones_own_servers_and_tokens() -> None:
    for name, role in ROLES.items():
        for scope in role.get("scopes", ()):
            base = scope.partition("!")[0]
            if base.partition(":")[2] in ("servers", "users") or base in ("servers", "tokens", "users"):
                reads_lists_only = scope in ("list:users", "read:users", "read:servers", "delete:servers")
                assert scope.endswith("!user") or (name == "hub-admin" and reads_lists_only), (name, scope)


def test_an_admin_enters_no_server_and_makes_no_token_or_group() -> None:
    reach = {scope.partition("!")[0] for scope in ADMIN}
    implied = {sub for scope in reach for sub in scope_definitions.get(scope, {}).get("subscopes", ())} | reach
    assert not implied & {"access:servers", "access:services", "tokens", "read:tokens", "start:servers", "servers", "admin:users", "users",
                          "groups", "admin:groups", "admin:auth_state", "admin:server_state", "shares", "proxy", "admin-ui"}  # fmt: skip


def test_reviewers_and_stewards_enter_only_the_review_pages() -> None:
    """Reviewers and stewards enter the review pages and nothing else."""
    for name in ("reviewer", "steward"):
        assert ROLES[name]["scopes"] == ["access:services!service=review-a", "access:services!service=review-b"]


def test_who_has_no_role_may_know_their_own_name_only() -> None:
    """A person without a role learns only their own name and groups."""
    assert ROLES["user"]["scopes"] == ["read:users:name!user", "read:users:groups!user"]


def test_the_network_is_kept_by_administrators_alone() -> None:
    """No other role holds that right."""
    assert [name for name, role in ROLES.items() if SCOPE in role.get("scopes", ())] == ["hub-admin"]
