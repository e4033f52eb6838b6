"""End all that goes on of a person: tokens, sessions of pages, the browsers' sign-in, servers."""

from typing import Any

from jupyterhub import orm


async def end(user: Any, proxy: Any, db: Any, log: Any) -> None:
    """Sign the person out everywhere."""
    log.warning("What %s had open ends: tokens, sessions and servers", user.name)
    for token in list(user.orm_user.api_tokens):
        if not any(spawner.orm_spawner is not None and token.id == _own(spawner) for spawner in user.spawners.values()):
            db.delete(token)
    user.orm_user.cookie_id = orm.new_token()
    db.commit()
    for name, spawner in list(user.spawners.items()):
        if spawner.active:
            await stop(user, name, proxy, log)


async def stop(user: Any, name: str, proxy: Any, log: Any) -> None:
    """End one server, unless it is ending already."""
    if user.spawners[name].pending == "stop":
        return
    log.warning("The server of %s for project %s ends", user.name, name)
    await proxy.delete_user(user, name)
    await user.stop(name)


def _own(spawner: Any) -> int | None:
    """The token of a server itself: it is deleted with the server, which says with it that it ended."""
    found = orm.APIToken.find(spawner.db, spawner.api_token) if spawner.api_token else None
    return None if found is None else int(found.id)
