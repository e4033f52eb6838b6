"""The administrators' pages, in place of JupyterHub's own. They show no content, and do what the API does."""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado.web import HTTPError, authenticated

from .admin_forms import new_project, words_of
from .ending import stop
from .network.administration import Administration, Done, Token
from .network.requests import Invitation, NewSite, ProjectChange
from .network_handlers import administration, in_words

HOME = "/hub/admin/projects"


class AdminPage(BaseHandler):  # type: ignore[misc]  # JupyterHub is written without types
    """A page of administrators. Forms say in ``do`` what is to be done; what is refused is said on the page, and nothing is lost."""

    page = ""

    @authenticated
    async def get(self, *names: str) -> None:
        """Show it."""
        await self._show(administration(self), *names)

    @authenticated
    async def post(self, *names: str) -> None:
        """Do what the pressed button says."""
        acts, said = administration(self), {}
        try:
            with in_words():
                said = await self._do(acts, self._field("do"), *names)
        except HTTPError as error:
            self.set_status(error.status_code)
            said = {"wrong": error.log_message}
        if not self._finished:
            await self._show(acts, *names, **said)

    async def _do(self, acts: Administration, what: str, *names: str) -> dict[str, Any]:
        raise HTTPError(400, "This form says nothing that can be done.")

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        return {}

    async def _show(self, acts: Administration, *names: str, **more: Any) -> None:
        with in_words():
            values = self.values(acts, *names)
        self.finish(await self.render_template(f"admin_{self.page}.html", page=self.page, **{**values, **more}))

    def _field(self, name: str) -> str:
        found: str = self.get_body_argument(name, "")
        return found


def _done(answer: Done) -> dict[str, Any]:
    return {"done": answer.done or ("nothing: it was so already",)}


class Front(AdminPage):
    """``/hub/admin``."""

    @authenticated
    async def get(self) -> None:
        """Go on to the projects."""
        administration(self)
        self.redirect(HOME)


class ProjectsPage(AdminPage):
    """All projects."""

    page = "projects"

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        return {"projects": acts.projects().projects, "any_site": bool(acts.network().sites)}


class NewProjectPage(AdminPage):
    """Propose a project, in two steps: fill in, and read what will be asked of whom."""

    page = "new_project"

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        return {
            "sites": acts.network().sites, "form": {name: self._field(name) for name in self.request.body_arguments},
            "chosen": self.get_body_arguments("site"),
        }  # fmt: skip

    async def _do(self, acts: Administration, what: str, *names: str) -> dict[str, Any]:
        wanted = new_project(self._field, self.get_body_arguments("site"))
        if what == "propose":
            acts.propose(wanted)
            self.redirect(f"{HOME}/{wanted.id}")
            return {}
        return {"plan": acts.rehearse(wanted).plan}


class ProjectPage(AdminPage):
    """One project."""

    page = "project"

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        return {"project": acts.project(names[0])}

    async def _do(self, acts: Administration, what: str, *names: str) -> dict[str, Any]:
        (name,) = names
        match what.split(":"):
            case ["add", ("member" | "reviewer") as role]:
                return _done(acts.change_people(name, role, add=words_of(self._field("people"))))
            case ["remove", ("member" | "reviewer") as role, person]:
                return _done(acts.change_people(name, role, remove=(person,)))
            case ["last-day"]:
                return _done(acts.change_project(name, ProjectChange.model_validate({"expires": self._field("expires")})))
            case ["state", state]:
                if state == "ended" and self._field("again") != name:
                    raise HTTPError(400, f"To end it for good, type {name} beside the button. Nothing was changed.")
                return _done(acts.change_project(name, ProjectChange.model_validate({"state": state})))
        return await super()._do(acts, what, *names)


class SitesPage(AdminPage):
    """All sites."""

    page = "sites"

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        return {"sites": acts.sites().sites}

    async def _do(self, acts: Administration, what: str, *names: str) -> dict[str, Any]:
        name = self._field("site")
        match what:
            case "add":
                about = {key: self._field(key) or None for key in ("review_url", "public_key")}
                return _done(acts.add_site(NewSite.model_validate({"id": self._field("id"), "title": self._field("title"), **about})))
            case "invite":
                token: Token = acts.invite(name, Invitation())
                return {"token": token, "invited": name}
            case "forget-key":
                return _done(acts.forget_key(name))
            case "remove":
                return _done(acts.remove_site(name))
        return await super()._do(acts, what)


class PeoplePage(AdminPage):
    """All people."""

    page = "people"

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        return {"people": acts.people().people, "me": acts.who}

    async def _do(self, acts: Administration, what: str, *names: str) -> dict[str, Any]:
        name = self._field("person")
        match what.split(":"):
            case ["shut-out"]:
                return _done(acts.shut_out(name))
            case ["let-in"]:
                return _done(acts.let_in(name))
            case ["stop", project]:
                user = self.find_user(name)
                if user is None or project not in user.spawners or not user.spawners[project].active:
                    raise HTTPError(404, "This server does not run any more.")
                await stop(user, project, self.proxy, self.log)
                return {"done": (f"stop the server of {name} in project {project}",)}
        return await super()._do(acts, what)


class ActivityPage(AdminPage):
    """What goes on, without content: counts, and who changed what."""

    page = "activity"

    def values(self, acts: Administration, *names: str) -> dict[str, Any]:
        """What the page shows."""
        people = acts.people().people
        return {
            "projects": acts.projects().projects, "changes": acts.changes().changes,
            "servers": {project: [p.name for p in people if project in p.servers] for p in people for project in p.servers},
        }  # fmt: skip


def handlers() -> list[tuple[str, type]]:
    """The pages, as JupyterHub takes handlers."""
    return [
        ("/admin/?", Front), ("/admin/projects", ProjectsPage), ("/admin/projects/:new", NewProjectPage),
        (r"/admin/projects/([a-z][a-z0-9-]*)", ProjectPage), ("/admin/sites", SitesPage), ("/admin/people", PeoplePage),
        ("/admin/activity", ActivityPage),
    ]  # fmt: skip
