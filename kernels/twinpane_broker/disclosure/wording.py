"""The rules that an answer went through, in words for the person who reads it."""

from twinpane_broker.question.plan import MeasureKind, Plan
from twinpane_broker.rules.policy import Rules

MEANS = {MeasureKind.mean, MeasureKind.sum}
SPREADS = {MeasureKind.sd, MeasureKind.var}
GROUPED = "Every approved code has its row"


def described(rules: Rules, plan: Plan) -> tuple[str, ...]:
    """The rules applied to a plan's answer: at most 32 sentences of at most 300 characters, the same for the same plan and rules."""
    if rules.dp is not None:
        return _private(rules, plan)
    kinds = {measure.kind for measure in plan.measures}
    words = [
        f"Cells of fewer than {rules.threshold} persons are suppressed, and so are cells that leave out fewer than {rules.threshold}.",
        f"So is every number that differs from an earlier answer, or from two together, by fewer than {rules.threshold} persons.",
    ]
    if plan.where is not None or plan.cohort is not None:
        words.append(
            f"A question is withheld where one of its conditions, or a term of one, holds for or leaves out fewer than {rules.threshold} "
            "persons by itself, or leaves out so few of those for whom other conditions hold, whatever else it asks."
        )
    if plan.where is not None:
        words.append(
            f"So it is where a condition on a sensitive dimension holds for more than {rules.class_share:g} % of those for whom all its "
            "other conditions hold, unless the catalogue says as much of everybody."
        )
    if rules.noise == "cell_key":
        words.append(
            f"Counts carry a noise of at most {rules.noise_bound} that depends on their persons alone; means and shares are made from them."
        )
    if rules.base > 1:
        words.append(f"Counts are rounded to {rules.base}, each on its own, so parts need not add up to the total.")
    if plan.group_by:
        words.append(GROUPED + ("; one that nobody is in is suppressed like a small one." if rules.zeros == "hidden" else "."))
        words.append(
            "Where a suppressed cell could be worked out from the others, further ones are suppressed too: "
            f"it stays able to have {rules.candidates} different counts."
        )
        words.append(
            f"Where more than {rules.class_share:g} % of a group hold one category of a sensitive dimension, "
            "the group's split is held back."
        )
    words.append(
        f"Suppressed where one person holds over {rules.dominance_one:g} % or two over {rules.dominance_two:g} % of it "
        f"(p% rule: {rules.dominance_p:g})."
    )
    if MeasureKind.share in kinds:
        words.append("Shares are made from the shown counts, to 0.1 %.")
    if kinds & MEANS:
        words.append(
            "Means and sums are over the rows with a value, clipped to the catalogue's bounds, "
            f"at {rules.digits} significant digits or the catalogue's precision."
        )
    if kinds & SPREADS:
        words.append(
            f"Standard deviations and variances need {rules.spread_persons} persons and {rules.spread_dof} degrees of freedom; "
            f"{rules.digits_spread} significant digits."
        )
    if MeasureKind.quantile in kinds:
        words.append(
            f"Quantiles need {rules.threshold} persons on each side, so a median {2 * rules.threshold} in all and those of 5 and 95 % "
            f"{20 * rules.threshold}, and are snapped to the catalogue's grid."
        )
    if MeasureKind.correlation in kinds:
        words.append(f"Correlations need {rules.correlation_persons} persons; {rules.digits_spread} significant digits.")
    return tuple(words)


def _private(rules: Rules, plan: Plan) -> tuple[str, ...]:
    words = [
        f"Differential privacy with the person as the unit: epsilon {rules.dp.epsilon_per_answer:g} for this answer, of "
        f"{rules.dp.epsilon_total:g} in all for the project. The catalogue is outside of this account.",
        "Numbers carry noise of the discrete Laplace mechanism (OpenDP), so parts need not add up to the total.",
        f"Cells whose noisy count is below {rules.threshold} are suppressed.",
    ]
    if plan.group_by:
        words.append(GROUPED + ".")
    if rules.base > 1:
        words.append(f"Noisy counts are rounded to {rules.base}.")
    return tuple(words)
