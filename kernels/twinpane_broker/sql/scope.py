"""Names while SQL is read: which relations are in play under which alias, and what a name in them means."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role, Table
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Difference, Group, Unit, split

from .members import Members
from .refusals import CONCEPT, RANKED, TWICE
from .said import Days, Name

VOCABULARY = ("concept", "concept_ancestor")
"""Tables of the vocabulary. They hold no persons and are in no catalogue; a plan looks through them."""


@dataclass
class Vocabulary:
    """``concept`` or ``concept_ancestor`` under an alias, and the column of the data that it is joined to."""

    name: str
    column: str | None = None
    outer: bool = False
    """Whether rows without a concept stay (LEFT JOIN)."""


@dataclass(frozen=True)
class Looked:
    """A column of a vocabulary table."""

    of: Vocabulary
    column: str


@dataclass(frozen=True)
class OfMembers:
    """What a SELECT of persons has beside their key: the day of the first event, or its number."""

    of: Members
    column: str


Target = str | Group | Looked | OfMembers
"""What a name means: ``table.column``, a term that splits, or a column of something that a plan looks through."""


@dataclass
class View:
    """A SELECT in brackets that only chooses rows and columns: its tables are the plan's own."""

    columns: dict[str, Target] = field(default_factory=dict)
    whole: "Scope | None" = None
    """Where it chose all columns: what further names mean."""


Differences = dict[tuple[str, str, Unit | None], Difference]
Relation = str | Vocabulary | View | Members
"""A table of the catalogue by its name, or something that a plan looks through."""


class Scope:
    """Relations of one SELECT by alias (casefolded), and what names in it mean."""

    def __init__(self, catalogue: Catalogue | None, outer: "Scope | None" = None, differences: Differences | None = None) -> None:
        self.catalogue = catalogue
        self.outer = outer
        self.relations: dict[str, Relation] = {}
        self.differences: Differences = differences if differences is not None else {}
        """By what they are; those of one text are shared by its SELECTs, and named in the order in which they are met."""

    @property
    def tables(self) -> list[str]:
        """The catalogue's tables in play by their own aliases, in order."""
        return [relation for relation in self.relations.values() if isinstance(relation, str)]

    def enter(self, alias: str, relation: Relation) -> None:
        """Bring a relation into play. Raises Refused if its alias, or the table, is there already."""
        key = alias.casefold()
        if key in self.relations or (isinstance(relation, str) and relation in self.tables):
            table = relation if isinstance(relation, str) else "table"
            raise Refused(TWICE.format(name=alias[:63], table=table[:63]))
        self.relations[key] = relation

    def table_name(self, name: str) -> str:
        """The catalogue's spelling of a table."""
        if self.catalogue is None:
            return name
        return next((t.name for t in self.catalogue.tables if t.name.casefold() == name.casefold()), name)

    def is_vocabulary(self, name: str) -> bool:
        """Whether a table is one of the vocabulary, and none of the catalogue."""
        known = self.catalogue is not None and any(t.name.casefold() == name.casefold() for t in self.catalogue.tables)
        return name.casefold() in VOCABULARY and not known

    def person_key(self, table: str) -> str:
        """``table.key`` of a table."""
        known = self.catalogue.table(table) if self.catalogue is not None else None
        return f"{table}.{known.person_key if known is not None else 'person_id'}"

    def is_person_key(self, target: Target) -> bool:
        """Whether a name is the key of persons."""
        if isinstance(target, OfMembers):
            return target.column == target.of.key
        return isinstance(target, str) and target == self.person_key(split(target)[0])

    def meaning(self, reference: str) -> Column | None:
        """The visible column of ``table.column``, where a catalogue says."""
        table, name = split(reference)
        known = self.catalogue.table(table) if self.catalogue is not None else None
        return next((c for c in known.visible if c.name == name), None) if known is not None else None

    def known_table(self, name: str) -> Table | None:
        """The catalogue's table, where there is one."""
        return self.catalogue.table(name) if self.catalogue is not None else None

    def column(self, name: Name | Days, *, person_key: bool = False) -> str:
        """``table.column`` of a name, or the name of a difference of dates; raises Refused where it means something else."""
        if isinstance(name, Days):
            return self._difference(name)
        target = self.target(name, person_key=person_key)
        if isinstance(target, Looked):
            if target.of.name == "concept_ancestor" or target.column not in ("concept_id", "concept_name") or target.of.column is None:
                raise Refused(CONCEPT)
            return target.of.column
        if isinstance(target, OfMembers) and target.column == target.of.rank:
            raise Refused(RANKED)
        if isinstance(target, OfMembers) and target.column != target.of.key:
            return target.of.use(target.column)
        if not isinstance(target, str):
            raise Refused(f"{name.column[:63]} is made in a SELECT in brackets: a plan takes columns of tables there.")
        return target

    def _difference(self, days: Days) -> str:
        """The name of a difference of dates: ``days_between``, ``days_between_2`` and so on."""
        since, until, kind = self.column(days.since), self.column(days.until), "days" if days.unit is None else "years"
        place = len(self.differences) + 1
        name = f"{split(until)[0]}.{kind}_between{'' if place == 1 else f'_{place}'}"
        made = Difference(name=name, since=since, until=until, unit=days.unit)
        return self.differences.setdefault((since, until, days.unit), made).name

    def is_difference(self, reference: str) -> bool:
        """Whether it is the name of a difference of dates."""
        return self.read_by(reference) != (reference,)

    def read_by(self, reference: str) -> tuple[str, ...]:
        """The column itself, or the two of a difference of dates."""
        found = next((one for one in self.differences.values() if one.name == reference), None)
        return (reference,) if found is None else (found.since, found.until)

    def are_days(self, one: Name, other: Name, op: str) -> bool:
        """Whether two columns that are compared are dates. Of tables that it does not know, columns are where one is the larger."""
        return all(self._is_day(name, guess=op != "=") for name in (one, other))

    def never_precedes(self, end: Name, start: Name) -> bool:
        """Whether the catalogue says of two dates of a table that the one never comes before the other."""
        one, other = self.target(end, person_key=True), self.target(start, person_key=True)
        if not (isinstance(one, str) and isinstance(other, str)) or split(one)[0] != split(other)[0]:
            return False
        meaning = self.meaning(one)
        return meaning is not None and meaning.after == split(other)[1]

    def _is_day(self, name: Name, *, guess: bool) -> bool:
        """Whether a name is a date, or the day of a first event, as far as a catalogue says."""
        target = self.target(name, person_key=True)
        if isinstance(target, OfMembers):
            return bool(target.of.day) and target.column == target.of.day
        if guess and self.catalogue is not None and isinstance(target, str) and self.known_table(split(target)[0]) is None:
            return not self.is_person_key(target)
        meaning = self.meaning(target) if isinstance(target, str) else None
        return meaning is not None and meaning.role is Role.date and meaning.type is ColumnType.date

    def target(self, name: Name | Days, *, person_key: bool = False) -> Target:
        """What a name means. With ``person_key`` an unqualified name that several relations have means the first one's."""
        if isinstance(name, Days):
            return self._difference(name)
        if name.table is None:
            return self.named(name.column, person_key=person_key)
        relation = self.relations.get(name.table.casefold())
        if relation is None:
            if self.outer is not None:
                return self.outer.target(name, person_key=person_key)
            raise Refused(f"There is no table {name.table[:63]} in FROM or JOIN.")
        return self.inside(relation, name.column) or _missing(relation, name)

    def owns(self, name: Name) -> bool:
        """Whether a name is one of this SELECT's own relations, and not of one around it."""
        return self.outer is None or (name.table.casefold() in self.relations if name.table is not None else self.finds(name.column))

    def finds(self, name: str) -> bool:
        """Whether a relation here is known to have a column of that name."""
        known = [relation for relation in self.relations.values() if self.has(relation, name)]
        return bool(known) or (self.catalogue is None and len(self.relations) == 1)

    def named(self, name: str, *, within: Mapping[str, Relation] | None = None, person_key: bool = False) -> Target:
        """What a name without its table means, sought in the relations in play or in ``within``."""
        relations = list((within if within is not None else self.relations).values())
        if len(relations) == 1 or person_key:
            first = next((r for r in relations if self.has(r, name)), relations[0])
            if (target := self.inside(first, name)) is not None:
                return target
        found = [target for r in relations if self.has(r, name) and (target := self.inside(r, name)) is not None]
        if len(found) == 1 or (found and within is not None):
            return found[0]
        if found and all(self.is_person_key(target) for target in found):
            # SQL calls this ambiguous; whichever is meant, it is the same person.
            return found[0]
        if not found and self.outer is not None:
            return self.outer.named(name)
        example = next((r for r in relations if isinstance(r, str)), "table")
        raise Refused(f"{name[:63]} could belong to any of the joined tables: write it with its table, like {example}.{name[:63]}.")

    def has(self, relation: Relation, name: str) -> bool:
        """Whether a relation is known to have a column of that name."""
        match relation:
            case str():
                return self._column_name(relation, name) is not None
            case View():
                return name.casefold() in relation.columns or (relation.whole is not None and relation.whole.finds(name))
            case Members():
                return name.casefold() in relation.names
            case Vocabulary():
                return name.casefold() in COLUMNS[relation.name]

    def inside(self, relation: Relation, name: str) -> Target | None:
        """What a name means in one relation; None where that has no such column."""
        match relation:
            case str():
                return f"{relation}.{self._column_name(relation, name) or name}"
            case View():
                if (found := relation.columns.get(name.casefold())) is not None:
                    return found
                return relation.whole.named(name) if relation.whole is not None else None
            case Members():
                return OfMembers(relation, name.casefold()) if name.casefold() in relation.names else None
            case Vocabulary():
                return Looked(relation, name.casefold())

    def _column_name(self, table: str, name: str) -> str | None:
        known = self.known_table(table)
        if known is None:
            return None
        return next((c.name for c in known.visible if c.name.casefold() == name.casefold()), None)


COLUMNS = {
    "concept": ("concept_id", "concept_name", "concept_code", "domain_id", "vocabulary_id", "standard_concept", "concept_class_id"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation", "max_levels_of_separation"),
}


def _missing(relation: Relation, name: Name) -> Target:
    if isinstance(relation, Members):
        raise Refused(
            f"{name.table}.{name.column[:63]}: of a SELECT of persons a plan knows the persons and the day of their first event alone. "
            "Join the table itself, or ask for persons."
        )
    raise Refused(f"The SELECT {name.table} has no column {name.column[:63]}.")
