"""The six datasets of the PhysioNet/CinC Challenge 2020, recognised by record name and header.

Every sample in them is one microvolt (1000 adu/mV, baseline 0), whatever an early header states: headers
from before August 2020 say 4880/mV (Georgia), 200/mV (PTB-XL), 2000000/mV (PTB) or 240000…1041000/mV
(INCART) above the same bytes. Source: the Challenge's data page and a byte-wise comparison of both issues.
"""

from dataclasses import dataclass

PTBXL = "ptb-xl"
PTBXL_TABLE_NAME = "ptbxl_database.csv"
"""The file of PTB-XL's own release that says which of its records are of one patient."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """One of the six: `name` is ours, `folder` the one its tarball unpacks, `fs` in Hz, `n_records` as published."""

    name: str
    title: str
    folder: str
    prefix: str
    digits: int
    fs: float
    n_records: int

    def matches(self, record_name: str) -> bool:
        """Whether `record_name` has this dataset's form, e.g. HR00001."""
        number = record_name.removeprefix(self.prefix)
        return (
            len(number) == self.digits
            and len(record_name) == len(self.prefix) + self.digits
            and number.isascii()
            and number.isdigit()
        )


DATASETS: tuple[Dataset, ...] = (
    Dataset(name="cpsc", title="CPSC2018", folder="Training_CPSC", prefix="A", digits=4, fs=500.0, n_records=6877),
    Dataset(
        name="cpsc-extra",
        title="CPSC-Extra",
        folder="Training_2",
        prefix="Q",
        digits=4,
        fs=500.0,
        n_records=3453,
    ),
    Dataset(
        name="georgia",
        title="Georgia",
        folder="Training_E",
        prefix="E",
        digits=5,
        fs=500.0,
        n_records=10344,
    ),
    Dataset(
        name="incart",
        title="INCART",
        folder="Training_StPetersburg",
        prefix="I",
        digits=4,
        fs=257.0,
        n_records=74,
    ),
    Dataset(name="ptb", title="PTB", folder="Training_PTB", prefix="S", digits=4, fs=1000.0, n_records=516),
    Dataset(
        name=PTBXL,
        title="PTB-XL",
        folder="Training_PTB-XL",
        prefix="HR",
        digits=5,
        fs=500.0,
        n_records=21837,
    ),
)

TRUE_GAIN_ADU_PER_MV = 1000.0


def dataset_of(record_name: str, fs: float | None) -> Dataset | None:
    """The Challenge dataset a record belongs to, by its name's form and sampling frequency, else None.

    The frequency must agree, so that a hospital's own record which happens to be called A0001 but was
    sampled differently is not taken for one of CPSC's.
    """
    for dataset in DATASETS:
        if fs == dataset.fs and dataset.matches(record_name):
            return dataset
    return None
