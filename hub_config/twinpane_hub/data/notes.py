"""Clinical notes with invented names, record numbers, birthdays and telephone numbers: text that must never be seen outside."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrays import Bools, Ints, constant, days, strings
from .events import Visits, record_numbers
from .people import People
from .vocabulary import CONDITIONS, DRUGS

_WOMEN = ("Maria", "Anna", "Grace", "Fatima", "Wei", "Sofia", "Ingrid", "Amara", "Yuki", "Rosa", "Helen", "Leila", "Priya", "Nora", "Olga")
_MEN = ("James", "Omar", "Luis", "Chen", "David", "Kofi", "Lars", "Raj", "Ivan", "Hugo", "Peter", "Samir", "Kenji", "Mateo", "Paul")
_LAST = (
    "Keller",
    "Nguyen",
    "Okafor",
    "Silva",
    "Haddad",
    "Lindqvist",
    "Garcia",
    "Tanaka",
    "Novak",
    "Mbeki",
    "Rossi",
    "Petrov",
    "Walsh",
    "Iyer",
    "Cohen",
    "Dubois",
    "Begum",
    "Larsen",
    "Moreau",
    "Castillo",
    "Fischer",
    "Adeyemi",
    "Kowalski",
    "Yilmaz",
    "Brandt",
    "Osei",
    "Marin",
)
_PLANS = ("Follow-up in three months.", "Continue current treatment.", "Laboratory control next week.", "Referred for imaging.")
_NOTED = 0.3
"""Share of visits that have a note."""


def note_table(people: People, visits: Visits, first_id: int, rng: np.random.Generator) -> pa.Table:
    """OMOP's note: one note for each of some visits, which names the patient, one disease and one drug."""
    visit = np.nonzero(rng.random(len(visits.ids)) < _NOTED)[0]
    person = visits.person[visit]
    text = pc.binary_join_element_wise(
        "Patient",
        _names(people, person),
        pc.binary_join_element_wise("(", record_numbers(people.ids[person]), ",", ""),
        "born",
        pc.binary_join_element_wise(days(people.born[person]).cast(pa.string()), "),", ""),
        "phone",
        pc.binary_join_element_wise(pa.array(5550000 + people.ids[person] * 7919 % 9999).cast(pa.string()), ",", ""),
        "was seen for",
        _one_of(people.has, person, [c.name for c in CONDITIONS], "a check-up", rng),
        "and takes",
        pc.binary_join_element_wise(_one_of(people.takes, person, [d.name for d in DRUGS], "no medicine", rng), ".", ""),
        strings(_PLANS, rng.integers(0, len(_PLANS), len(visit))),
        " ",
    )
    return pa.table(
        {
            "note_id": pa.array(np.arange(first_id, first_id + len(visit))),
            "person_id": pa.array(people.ids[person]),
            "note_date": days(visits.start[visit]),
            "note_type_concept_id": constant(32817, len(visit)),
            "note_title": strings(("Progress note", "Emergency note", "Discharge summary"), visits.kind[visit]),
            "note_text": text,
            "visit_occurrence_id": pa.array(visits.ids[visit]),
        }
    )


def _names(people: People, person: Ints) -> pa.Array:
    """Each person's name: a function of the person's number, so that it is the same in all their notes."""
    ids = people.ids[person]
    first = np.where(people.male[person], len(_WOMEN) + ids * 31 % len(_MEN), ids * 31 % len(_WOMEN))
    return pc.binary_join_element_wise(strings((*_WOMEN, *_MEN), first), strings(_LAST, ids * 17 // 3 % len(_LAST)), " ")


def _one_of(flags: Bools, person: Ints, names: list[str], otherwise: str, rng: np.random.Generator) -> pa.Array:
    """For each row the first of ``names`` whose flag holds for the person, from a random start; ``otherwise`` where none holds."""
    turn = int(rng.integers(0, flags.shape[1]))
    rows = np.roll(flags[person], -turn, axis=1)
    found = (rows.argmax(axis=1) + turn) % flags.shape[1]
    return strings((*names, otherwise), np.where(rows.any(axis=1), found, len(names)))
