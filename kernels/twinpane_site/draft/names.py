"""What a column's name alone tells: OMOP's habits, keys by their suffix, and names under which identifiers are kept."""

import re
from collections.abc import Collection

_IDENTIFYING = re.compile(
    r"""^(
        (patient_|person_)?((first|last|given|family|full|middle|maiden|sur|fore)_?)?name
      | (patient|person)_?name | initials | .*(address|street).* | (post(al)?_?|zip_?)code | zip | e?_?mail.* | .*(phone|mobile|fax).*
      | (.*_)?(mrn|ssn|pid|uhid|empi|nhs_?number)(_.*)? | medical_record.* | .*(passport|licen[cs]e)_?(no|num(ber)?)?
      | (patient|person|subject|hospital|nhs|chi|national|insurance|insured|member|beneficiary|medicare|medicaid|social_?security|tax)
        _?(no|nr|num|number|nbr) | chi | nino
      | (date|day|month)_of_birth | birth_?(date|datetime|day|month) | dob
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERING = re.compile(
    r"""^(
        (.*_)?(id|ids|uid|uuid|guid|oid|key|pk|fk|sk|identifier) | .*_(no|nr|nbr)
      | (person|patient|subject|visit|encounter|admission|stay|episode|event|record|row|case|sample|specimen|order|accession|provider
        |practice|practitioner|physician|doctor|site|ward|hospital|household|family|study)_?(id|no|nr|num|number|nbr|key)
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_SUFFIXES = ("_source_concept_id", "_source_value", "_concept_id", "_source_name", "_name", "_code", "_label", "_group", "_band")
_TESTS = {"measurement", "lab", "lab_test", "test", "analyte"}
_PLAIN = {"gender", "age", "unit", "visit", "period"}
_SAME = {"sex": "gender", "year_of_birth": "age"}


def identifying(name: str) -> bool:
    """Is it a name under which direct identifiers or parts of a birthday are kept? Such a column is hidden whatever it holds."""
    return _IDENTIFYING.match(name) is not None


def numbering(name: str) -> bool:
    """Is it a name under which rows, persons, places or things are numbered? Such numbers may be codes; a mean of them says nothing."""
    return _NUMBERING.match(name) is not None


def written_code(name: str) -> bool:
    """Does it hold codes as they were written? 250.00 and 250.0 may be two of them."""
    return name.endswith(("_source_value", "code"))


def concept(name: str) -> bool:
    """Does it hold codes of a vocabulary, in OMOP's spelling?"""
    return name.endswith("concept_id")


def looks_like_key(name: str) -> bool:
    """Is it an identifier by its suffix, and no concept?"""
    return name.endswith("_id") and not concept(name)


def reference(table: str, column: str, keys: Collection[tuple[str, str]]) -> str | None:
    """``table.column`` that the key joins to, found by name among the tables' own ``keys``; None for a table's own key."""
    found = next((owner for owner, key in keys if key == column and owner != table), None)
    return None if (table, column) in keys or found is None else f"{found}.{column}"


def own_key(table: str) -> str:
    """The name that a table's own key has in OMOP."""
    return f"{table}_id"


def stem(name: str) -> str:
    """What the column speaks of: the same for ``race_concept_id``, ``race_source_value`` and ``race``, for ``age`` and ``age_group``."""
    bare = next((name.removesuffix(s) for s in _SUFFIXES if name.endswith(s)), name)
    return _SAME.get(bare, bare)


def subject(table: str, columns: Collection[str]) -> str | None:
    """The column that says what a row of the table is about: ``measurement_concept_id``, ``drug_concept_id``, …"""
    concepts = (c for c in columns if c.endswith("_concept_id") and "source" not in c)
    return next((c for c in concepts if table.startswith(c.removesuffix("_concept_id"))), None)


def age_in_years(name: str) -> bool:
    """Is it an age, which health statistics cut at multiples of five years?"""
    return name == "age" or name.endswith(("_age", "age_years", "age_in_years"))


def in_single_years(name: str) -> bool:
    """Is it an age, or a year of birth, which studies cut at any year?"""
    return age_in_years(name) or name in ("year_of_birth", "birth_year")


def follows_subject(name: str) -> bool:
    """Is it a unit, which the row's subject decides?"""
    return stem(name) == "unit"


def sensitive(name: str) -> bool:
    """Would it disclose something about persons that nearly all of a group hold one of its codes?

    Not for sex and age, which acquaintances know. Not for how a record came about: its type, its unit, the kind of visit.
    """
    return stem(name) not in _PLAIN and not name.endswith(("_type_concept_id", "_type"))


def of_tests(name: str) -> bool:
    """Does it say which test was done? To have been tested tells less than what was found, given or asked."""
    return stem(name) in _TESTS


def ends_after(column: str, columns: Collection[str]) -> str | None:
    """The start that an end never precedes: ``visit_start_date`` for ``visit_end_date``."""
    for end, start in (("_end_", "_start_"), ("end_", "start_"), ("discharge_", "admission_"), ("_end", "_start")):
        other = column.replace(end, start)
        if other != column and other in columns:
            return other
    return None
