"""One patient: the traits that all recordings of the same person share.

Traits named `..._u` are ranks between 0 and 1. Which interval a rank is mapped to depends on the findings (the
same `pr_u` is a PR interval of 128-188 ms, or of 245-340 ms under first degree block), so that a patient
keeps the same place in each range whatever was found on the day, and no trait but the sign tells a label.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """Traits of one patient.

    Attributes
    ----------
    age : int, years
    sex : "Male" or "Female"
    amplitude : float, factor on all QRS vectors, about 1
    septal, terminal : float, factors on the first and the last part of QRS, about 1
    depth : float, factor on the posterior part of the main QRS vector, about 1
    t_amplitude, p_amplitude : float, factors on T and P, about 1
    t_angle, p_angle : float, degrees in the frontal plane
    t_depth : float, factor on the anterior part of T, about 1
    variant : int, seed of what has no name: widths and directions of single waves, places of the chest electrodes
    axis_u, qrs_u, pr_u, qtc_u, form_u, voltage_u, site_u, size_u : float, 0 to 1, see the module's text
    """

    age: int
    sex: str
    amplitude: float
    septal: float
    terminal: float
    depth: float
    t_amplitude: float
    t_angle: float
    p_amplitude: float
    p_angle: float
    t_depth: float
    variant: int
    axis_u: float
    qrs_u: float
    pr_u: float
    qtc_u: float
    form_u: float
    voltage_u: float
    site_u: float
    size_u: float


def draw_patient(rng: Generator) -> Patient:
    """Draw one patient. Age and sex are independent of any finding: nothing but the signal tells a label."""
    sex = "Female" if rng.random() < 0.48 else "Male"
    spread = np.array([0.17, 0.28, 0.30, 0.28, 0.24, 0.24, 0.35])
    factors = np.exp(rng.normal(0.0, 1.0, 7).clip(-2, 2) * spread)
    ranks = rng.random(8)
    return Patient(
        age=int(np.clip(rng.normal(60, 17), 18, 97)),
        sex=sex,
        # Women's QRS voltages are about a tenth lower (Rautaharju et al. 2009).
        amplitude=float(factors[0]) * (0.94 if sex == "Female" else 1.04),
        septal=float(factors[1]),
        terminal=float(factors[2]),
        depth=float(factors[3]),
        t_amplitude=float(factors[4]),
        t_angle=float(rng.uniform(20, 64)),
        p_amplitude=float(factors[5]),
        p_angle=float(rng.uniform(38, 72)),
        t_depth=float(factors[6]),
        variant=int(rng.integers(2**32)),
        axis_u=float(ranks[0]),
        qrs_u=float(ranks[1]),
        pr_u=float(ranks[2]),
        qtc_u=float(ranks[3]),
        form_u=float(ranks[4]),
        voltage_u=float(ranks[5]),
        site_u=float(ranks[6]),
        size_u=float(ranks[7]),
    )


def between(rank: float, low: float, high: float) -> float:
    """The value of a rank 0 to 1 in an interval."""
    return low + (high - low) * rank
