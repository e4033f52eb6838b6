"""The review pages: a FastAPI application that the agent serves on the site's own address.

Handlers that read or write are plain functions, so they run in threads and the agent's loop goes on. Every rule is asked of
``Review``; the pages only show its answers. Pages work without JavaScript; htmx only saves the scroll place.
"""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from . import render, routes_requests, routes_sign_in
from .context import Context, Settings
from .error_pages import add_error_pages
from .identity import Identity
from .review import Review
from .routes_sign_in import CALLBACK
from .security_middleware import SecurityMiddleware
from .sessions import Sealed, Sessions
from .steward import routes, routes_ledger, routes_projects, routes_sessions
from .steward.desk import Desk

__all__ = ["CALLBACK", "Settings", "create_app"]


def create_app(review: Review, desk: Desk, identity: Identity | None, settings: Settings) -> FastAPI:
    """The application. ``review`` and ``desk`` may be called from several threads; nothing else is shared with the agent.

    Without an ``identity`` only the site's own accounts sign in.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SecurityMiddleware, address=settings.address.rstrip("/"))
    app.mount("/static", StaticFiles(directory=render.HERE / "static"), name="static")
    app.state.context = Context(
        review, desk, identity, settings, Sessions(settings.ticks), Sealed(settings.secret, settings.ticks), render.environment()
    )
    app.include_router(routes_sign_in.router)
    app.include_router(routes_requests.router)
    app.include_router(routes.router)
    app.include_router(routes_ledger.router)
    app.include_router(routes_projects.router)
    app.include_router(routes_sessions.router)
    add_error_pages(app)
    return app
