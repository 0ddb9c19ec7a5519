"""Ages from the dates of birth and recording that EDF+ and DICOM files state."""

from datetime import date

OLDEST = 120
"""Years; an age above it, or a birth date that makes somebody older, stands for an unknown one."""

_UNKNOWN = (date(1900, 1, 1), date(1901, 1, 1))
"""What registries write where they must write a date."""


def years_between(born: date | None, day: date | None) -> float | None:
    """Whole years of somebody born then on a day, None where either is unknown or they are no one's."""
    if born is None or born in _UNKNOWN or day is None or day < born:
        return None
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return float(years) if years <= OLDEST else None
