"""The two OMOP vocabulary tables that concept sets with descendants need: every concept in the data, and one level of groups above.

They hold no persons. Ids and names are the OMOP vocabulary's; only groups with generated concepts are included.
"""

import pyarrow as pa

from .vocabulary import CONDITIONS, DRUGS, ETHNICITIES, LABS, RACES, SEXES, VISITS

GROUPS = (
    (201820, "diabetes mellitus", "Condition", ("type 2 diabetes",)),
    (316866, "hypertensive disorder", "Condition", ("hypertension",)),
    (321588, "heart disease", "Condition", ("coronary heart disease", "atrial fibrillation", "heart failure")),
    (443392, "malignant neoplastic disease", "Condition", ("breast cancer", "prostate cancer")),
    (21600712, "drugs used in diabetes", "Drug", ("metformin", "insulin glargine")),
)
"""Concept, name, domain, and the generated concepts below it."""


def vocabulary_tables() -> dict[str, pa.Table]:
    """``concept`` and ``concept_ancestor``. As in OMOP, every concept is its own ancestor with zero levels of separation."""
    plain = [
        *((c.concept, c.name, "Condition") for c in CONDITIONS),
        *((d.concept, d.name, "Drug") for d in DRUGS),
        *((lab.concept, lab.name, "Measurement") for lab in LABS),
        *((concept, name, "Gender") for concept, name, _ in SEXES),
        *((concept, name, "Race") for concept, name in RACES),
        *((concept, name, "Ethnicity") for concept, name in ETHNICITIES),
        *((concept, name, "Visit") for concept, name in VISITS),
    ]
    by_name = {name: concept for concept, name, _ in plain}
    concepts = sorted([*plain, *((concept, name, domain) for concept, name, domain, _ in GROUPS)])
    pairs = [(concept, concept, 0) for concept, _, _ in concepts]
    pairs += [(above, by_name[name], 1) for above, _, _, below in GROUPS for name in below]
    ancestors, descendants, levels = zip(*sorted(pairs), strict=True)
    return {
        "concept": pa.table({
            "concept_id": pa.array([c for c, _, _ in concepts], pa.int64()),
            "concept_name": [name for _, name, _ in concepts],
            "domain_id": [domain for _, _, domain in concepts],
        }),
        "concept_ancestor": pa.table({
            "ancestor_concept_id": pa.array(ancestors, pa.int64()),
            "descendant_concept_id": pa.array(descendants, pa.int64()),
            "min_levels_of_separation": pa.array(levels, pa.int32()),
            "max_levels_of_separation": pa.array(levels, pa.int32()),
        }),
    }  # fmt: skip
