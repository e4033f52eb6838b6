"""The concepts in the generated data, with their OMOP vocabulary ids where they have one.

Effects are on the log-odds scale and only roughly true to medicine: they are strong enough for a model to find, but do not describe a
population.
"""

from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

AS_OF = date(2025, 1, 1)
"""The day on which the generated data ends; ages are as of this day."""

SEXES = ((8532, "female", "F"), (8507, "male", "M"))
"""Concept, name and source value of each sex, in the order of this package's codes 0 and 1."""

RACES = (
    (8515, "asian"),
    (8516, "black"),
    (8527, "white"),
    (8557, "pacific islander"),
    (8657, "american indian"),
)
ETHNICITIES = ((38003563, "hispanic"), (38003564, "not hispanic"))
VISITS = ((9202, "outpatient"), (9203, "emergency"), (9201, "inpatient"))
AGE_GROUPS = ("0-17", "18-39", "40-64", "65-79", "80+")
AGE_GROUP_STARTS = (18, 40, 65, 80)


@dataclass(frozen=True)
class Condition:
    """A disease: log-odds at 50 years for a woman, per ten years of age, for a man, and for each disease listed before it."""

    concept: int
    name: str
    base: float
    decade: float
    male: float = 0.0
    after: MappingProxyType[str, float] = field(default_factory=lambda: MappingProxyType({}))


def _after(**effects: float) -> MappingProxyType[str, float]:
    return MappingProxyType({name.replace("_", " "): effect for name, effect in effects.items()})


CONDITIONS = (
    Condition(320128, "hypertension", -0.9, 0.65, 0.15),
    Condition(201826, "type 2 diabetes", -2.2, 0.42, 0.25, _after(hypertension=0.7)),
    Condition(317009, "asthma", -2.3, -0.08, -0.2),
    Condition(255573, "chronic obstructive lung disease", -3.6, 0.55, 0.3),
    Condition(46271022, "chronic kidney disease", -3.9, 0.7, 0.0, _after(hypertension=0.8, type_2_diabetes=1.0)),
    Condition(317576, "coronary heart disease", -3.6, 0.75, 0.6, _after(hypertension=0.6, type_2_diabetes=0.7)),
    Condition(313217, "atrial fibrillation", -4.3, 0.85, 0.3, _after(hypertension=0.5)),
    Condition(316139, "heart failure", -4.8, 0.7, 0.1, _after(coronary_heart_disease=1.5, atrial_fibrillation=1.0)),
    Condition(440383, "depression", -1.9, -0.05, -0.5),
    Condition(80180, "osteoarthritis", -1.9, 0.75, -0.3),
    Condition(4112853, "breast cancer", -3.6, 0.35, -4.5),
    Condition(4163261, "prostate cancer", -8.0, 0.8, 4.4),
)


@dataclass(frozen=True)
class Drug:
    """A drug: how likely each indication leads to it, and how often it is taken without one."""

    concept: int
    name: str
    given: MappingProxyType[str, float]
    otherwise: float = 0.003


DRUGS = (
    Drug(1503297, "metformin", _after(type_2_diabetes=0.7)),
    Drug(1502905, "insulin glargine", _after(type_2_diabetes=0.2), 0.001),
    Drug(1308216, "lisinopril", _after(hypertension=0.55, heart_failure=0.3), 0.01),
    Drug(1332418, "amlodipine", _after(hypertension=0.35), 0.01),
    Drug(1545958, "atorvastatin", _after(coronary_heart_disease=0.75, type_2_diabetes=0.45), 0.05),
    Drug(956874, "furosemide", _after(heart_failure=0.7, chronic_kidney_disease=0.2)),
    Drug(43013024, "apixaban", _after(atrial_fibrillation=0.65)),
    Drug(1154343, "albuterol", _after(asthma=0.8, chronic_obstructive_lung_disease=0.7), 0.01),
    Drug(739138, "sertraline", _after(depression=0.5), 0.02),
    Drug(1177480, "ibuprofen", _after(osteoarthritis=0.5), 0.12),
)


@dataclass(frozen=True)
class Lab:
    """A measurement: its unit, its recorded decimals, and its physiological range."""

    concept: int
    name: str
    unit_concept: int
    unit: str
    decimals: int
    low: float
    high: float


LABS = (
    Lab(3004410, "hemoglobin a1c", 8554, "%", 1, 3.8, 16.0),
    Lab(3004249, "systolic blood pressure", 8876, "mm[Hg]", 0, 70, 240),
    Lab(3016723, "creatinine", 8840, "mg/dL", 2, 0.3, 12.0),
    Lab(3028288, "ldl cholesterol", 8840, "mg/dL", 0, 20, 300),
    Lab(3038553, "body mass index", 9531, "kg/m2", 1, 14, 65),
    Lab(3000963, "hemoglobin", 8713, "g/dL", 1, 5, 20),
)

CONDITION = MappingProxyType({condition.name: i for i, condition in enumerate(CONDITIONS)})
DRUG = MappingProxyType({drug.name: i for i, drug in enumerate(DRUGS)})
LAB = MappingProxyType({lab.name: i for i, lab in enumerate(LABS)})
