"""The rule by which a regenerated number counts as the published one.

Verdicts
--------
reproduced
    A number with an uncertainty: it differs from the published one by no more than `max_sigma` uncertainties, and the
    uncertainty is small enough to tell, at most `max_uncertainty` of the number's scale. A number without one (a
    setting, a size, a word): it is the published one, to the digits that the paper prints.
differs
    It does not.
not comparable
    Nothing in the run corresponds to it, what does is of another kind (a rule in `PROBLEMS` says so), or the
    uncertainty is too large: agreement within it would mean nothing.

The uncertainty joins that of the regenerated number, that which the paper prints and the rounding of its digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from clustermass.config.scorecard import Scorecard

REPRODUCED, DIFFERS, NOT_COMPARABLE = "reproduced", "differs", "not comparable"
VERDICTS = (REPRODUCED, DIFFERS, NOT_COMPARABLE)
PROBLEMS = {
    "absent": "no table or setting of the workflow holds it",
    "alternative": "the paper prints two values of it; the other one is compared",
    "catalogue": "counts or masses of real catalogues, which this run does not read",
    "empty": "{file} leaves it empty in this configuration",
    "extreme": "the most extreme of a sample: it goes with the sample's size",
    "grid": "told only among the shares of the training set that are trained on",
    "interval": "an interval of another number, in whose uncertainty it counts",
    "machine": "a time of another machine",
    "no_error": "{file} gives it no uncertainty",
    "no_row": "{file} has no row for it in this configuration",
    "not_among": "not among {file}",
    "not_made": "{file} is not made from this source",
    "no_option": "the configuration has no {file}",
    "substitute": "made on images that stand in for the published ones",
    "unit": "the paper does not state its unit",
    "unresolved": "uncertainty too large to tell: {share:.0%} of the number's scale",
}
"""Rules that make a number not comparable, by name."""


@dataclass(frozen=True)
class Verdict:
    """What the rule says of one number.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`.
    uncertainty : float
        Of the difference; NaN: none.
    sigmas : float
        Regenerated less published, in uncertainties; NaN where there is none.
    problem : str
        Of `PROBLEMS`, where the number is not comparable for its uncertainty.
    share : float
        Uncertainty over the number's scale.
    """

    verdict: str
    uncertainty: float = math.nan
    sigmas: float = math.nan
    problem: str = ""
    share: float = math.nan


def half_digit(printed: str) -> float:
    """Return half a unit of the last digit of a printed number: 0.0005 for 0.300, 0.5 for 24."""
    exponent = Decimal(printed).as_tuple().exponent
    return 0.5 * 10.0 ** min(int(exponent), 0)


def judge_text(published: str, regenerated: str) -> Verdict:
    """Return the verdict on a word or a shape."""
    return Verdict(REPRODUCED if published.strip() == regenerated.strip() else DIFFERS)


def judge_exact(published: float, regenerated: float, rounding: float) -> Verdict:
    """Return the verdict on a number without uncertainty.

    Parameters
    ----------
    rounding : float
        Largest difference that the digits of the published number hide; 0 for settings.
    """
    same = abs(regenerated - published) <= rounding + 1e-9 * max(abs(published), abs(regenerated))
    return Verdict(REPRODUCED if same else DIFFERS)


def judge(
    published: float, regenerated: float, error: float, rounding: float, published_error: float, scale: float,
    rule: Scorecard,
) -> Verdict:  # fmt: skip
    """Return the verdict on a number with an uncertainty.

    Parameters
    ----------
    error, published_error : float
        Standard errors of the regenerated and of the published number; 0: none printed.
    rounding : float
        Half a unit of the last printed digit; the value is anywhere within with equal chance.
    scale : float
        What the uncertainty is held against, > 0.

    Raises
    ------
    ValueError
        Scale not positive, or an error that is negative or not finite.
    """
    if not scale > 0 or not all(0 <= each < math.inf for each in (error, rounding, published_error)):
        found = f"scale {scale}, errors {error}, {published_error}, rounding {rounding}"
        raise ValueError(f"expected a positive scale and finite errors, got {found}")
    uncertainty = math.sqrt(error**2 + published_error**2 + rounding**2 / 3)
    if uncertainty == 0:
        return judge_exact(published, regenerated, 0)
    sigmas = (regenerated - published) / uncertainty
    share = uncertainty / scale
    if abs(sigmas) > rule.max_sigma:
        return Verdict(DIFFERS, uncertainty, sigmas, share=share)
    if share > rule.max_uncertainty:
        return Verdict(NOT_COMPARABLE, uncertainty, sigmas, "unresolved", share)
    return Verdict(REPRODUCED, uncertainty, sigmas, share=share)
