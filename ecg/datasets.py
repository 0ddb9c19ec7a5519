"""The datasets of the PhysioNet/CinC Challenges 2020 and 2021, recognised by record name and header.

The six of 2020 are `DATASETS`; 2021 had the same six and two more, whose records share a prefix and are told apart by
their numbers. Those two were published alone as well (PhysioNet's ecg-arrhythmia 1.0.0), with the same names.

Every sample of the six is one microvolt (1000 adu/mV, baseline 0), whatever an early header states: headers
from before August 2020 say 4880/mV (Georgia), 200/mV (PTB-XL), 2000000/mV (PTB) or 240000…1041000/mV
(INCART) above the same bytes. Source: the Challenge's data page and a byte-wise comparison of both issues.
The two of 2021 are in microvolts as well and say so in their headers (`JS00001.mat 16+24 1000/mV 16 0 -254 21756 0 I`);
no others were published, so a header of theirs is believed.
"""

from dataclasses import dataclass

PTBXL = "ptb-xl"
PTBXL_TABLE_NAME = "ptbxl_database.csv"
"""The file of PTB-XL's own release that says which of its records are of one patient."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """One dataset: `name` is ours, `folder` the one its tarball unpacks, `fs` in Hz, `n_records` as published.

    `numbers` are those of its records where another dataset has the same prefix; None = whatever has the form.
    `has_misstated_gains` says whether headers were published whose gains are wrong, so that none of them is believed.
    """

    name: str
    title: str
    folder: str
    prefix: str
    digits: int
    fs: float
    n_records: int
    numbers: range | None = None
    has_misstated_gains: bool = True

    def matches(self, record_name: str) -> bool:
        """Whether `record_name` has this dataset's form, e.g. HR00001."""
        number = record_name.removeprefix(self.prefix)
        return (
            len(number) == self.digits
            and len(record_name) == len(self.prefix) + self.digits
            and number.isascii()
            and number.isdigit()
            and (self.numbers is None or int(number) in self.numbers)
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

DATASETS_ADDED_2021: tuple[Dataset, ...] = (
    Dataset(
        name="chapman-shaoxing",
        title="Chapman-Shaoxing",
        folder="WFDB_ChapmanShaoxing",
        prefix="JS",
        digits=5,
        fs=500.0,
        n_records=10247,
        numbers=range(1, 10647),
        has_misstated_gains=False,
    ),
    Dataset(
        name="ningbo",
        title="Ningbo",
        folder="WFDB_Ningbo",
        prefix="JS",
        digits=5,
        fs=500.0,
        n_records=34905,
        numbers=range(10647, 45552),
        has_misstated_gains=False,
    ),
)
"""JS00001 to JS10646, of which 399 were left out as they were published, and JS10647 to JS45551, all there.

Source: the tables of the Challenge 2021 (`dx_mapping_scored.csv`) and of its release 1.0.3, whose list names 69,810
headers and signals of Ningbo; the number ranges after torch_ecg's reader of it and others who split them so.
"""

KNOWN_DATASETS = DATASETS + DATASETS_ADDED_2021
"""Every dataset whose records are recognised."""

TRUE_GAIN_ADU_PER_MV = 1000.0


def dataset_of(record_name: str, fs: float | None) -> Dataset | None:
    """The Challenge dataset a record belongs to, by its name's form and sampling frequency, else None.

    The frequency must agree, so that a hospital's own record which happens to be called A0001 but was
    sampled differently is not taken for one of CPSC's.
    """
    for dataset in KNOWN_DATASETS:
        if fs == dataset.fs and dataset.matches(record_name):
            return dataset
    return None
