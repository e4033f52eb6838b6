"""A project as its sites are asked to accept it."""

from twinpane_hub.projects import Project
from twinpane_wire.messages import Person, PersonRole, Proposal, Standpoint, TableScope


def proposal(name: str, project: Project) -> Proposal:
    """The project's document, as it goes to each of its sites. Raises pydantic's ValidationError where it is more than one may ask for."""
    people = [(PersonRole.researcher, project.members), (PersonRole.reviewer, project.reviewers)]
    return Proposal(
        project=name, title=project.title, purpose=project.purpose, legal_basis=project.legal_basis,
        people=tuple(Person(user=user, role=role) for role, users in people for user in users),
        tables=tuple(TableScope(table=table, columns=columns or None) for table, columns in project.tables.items()) or None,
        expires=project.expires, day_bits=project.day_bits, total_bits=project.total_bits, standpoint=Standpoint(project.state),
    )  # fmt: skip
