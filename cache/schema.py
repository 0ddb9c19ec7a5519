"""What a store consists of: its configuration, its columns, one record's row, one partition's journal entry.

All of it goes to JSON and back; `FORMAT.md` says the same for readers in other languages.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import NoneType
from typing import Any, Self

import numpy as np

from ecg12.cache.stated import NOTHING, Stated
from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.ecg.json_text import parse_json
from ecg12.ecg.signals.leads import LEADS, canonical_lead

FORMAT_NAME = "ecg12"
FORMAT_VERSION = 1

MOST_CHUNK_BYTES = 64 * 2**20
"""Of a decoded chunk: ten times what is usual. Every thread that reads holds one, whatever little its file has."""

MERGED_GROUPS = "merged_groups"
"""Root attribute, where there are any: group of a patient → the group that exact duplicates made of it."""

LABEL_TABLES = "label_tables"
"""Root attribute, where tables of labels were given: what they had for the records, as counts."""

CODECS = ("lz4", "zstd", "pcodec")
CHECKSUM_POLICIES = ("reject", "flag")
SEX_CODES: dict[str | None, int] = {None: -1, "Female": 0, "Male": 1}
SEX_OF_CODE: dict[int, str | None] = {code: sex for sex, code in SEX_CODES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreConfig(Config):
    """Every option that changes the store's bytes, and none that does not.

    Attributes
    ----------
    fs : sampling frequency of the store, Hz
    leads : lead names, in storage order
    chunk_length : samples of each lead in a chunk
    codec : of the signal: Blosc's "lz4" (fast) or "zstd" (smaller) with bitshuffle, or "pcodec" (smallest, but only
        zarr-python reads it)
    seed : of the placement order
    bad_checksum : "reject" a record whose samples do not match its header's checksum, or "flag" it
    highpass, notch : of the zero-phase filters of `ecg.signals.filters`, Hz; None for none
    """

    fs: float = 400.0
    leads: tuple[str, ...] = LEADS
    chunk_length: int = 262_144
    codec: str = "lz4"
    seed: int = 2020
    bad_checksum: str = "reject"
    highpass: float | None = None
    notch: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.fs, int):
            object.__setattr__(self, "fs", float(self.fs))  # 400 and 400.0 are the same build
        if not (np.isfinite(self.fs) and 1 <= self.fs <= 100_000):
            raise ConfigError(f"fs is {self.fs}; expected 1 to 100,000 Hz")
        object.__setattr__(self, "leads", tuple(map(canonical_lead, self.leads)))
        unknown = [lead for lead in self.leads if lead not in LEADS]
        if unknown or not self.leads or len(set(self.leads)) != len(self.leads):
            raise ConfigError(f"leads are {', '.join(self.leads)}; expected each once, from {', '.join(LEADS)}")
        if self.chunk_length < 1024:
            raise ConfigError(f"chunk_length is {self.chunk_length}; expected at least 1,024 samples")
        most = MOST_CHUNK_BYTES // (2 * len(self.leads))
        if self.chunk_length > most:
            raise ConfigError(
                f"chunk_length is {self.chunk_length:,}; expected at most {most:,} samples of {len(self.leads)} leads"
            )
        for field, allowed in (("codec", CODECS), ("bad_checksum", CHECKSUM_POLICIES)):
            if getattr(self, field) not in allowed:
                choice = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
                raise ConfigError(f"{field} is {getattr(self, field)!r}; expected {choice}")

        for field in ("highpass", "notch"):
            frequency = getattr(self, field)
            if frequency is not None and not 0 < frequency < self.fs / 2:
                raise ConfigError(f"{field} is {frequency:g} Hz; expected between 0 and half of fs, {self.fs / 2:g} Hz")
            object.__setattr__(self, field, None if frequency is None else float(frequency))

    def to_dict(self) -> dict[str, Any]:
        """As every configuration, but without filters that are not used."""
        values = Config.to_dict(self)
        return {name: value for name, value in values.items() if value is not None}

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: two stores with equal digests were built by the same rules."""
        return sha256_of_json({"format_version": FORMAT_VERSION, **self.to_dict()})


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One array of the tables: where it is, its dtype and dimensions, and what its values mean."""

    path: str
    dtype: str
    dims: tuple[str, ...]
    meaning: str
    units: str | None = None
    missing: str | None = None
    flag_values: tuple[int, ...] | None = None
    flag_masks: tuple[int, ...] | None = None
    flag_meanings: str | None = None

    def attributes(self) -> dict[str, Any]:
        """Attributes in the CF conventions' names."""
        values: dict[str, Any] = {"long_name": self.meaning}
        for key in ("units", "missing", "flag_meanings"):
            if getattr(self, key) is not None:
                values[key] = getattr(self, key)
        for key in ("flag_values", "flag_masks"):
            if getattr(self, key) is not None:
                values[key] = list(getattr(self, key))
        return values


_RECORD = ("record",)
_FLAGS = "invalid clipped flat railed einthoven offset gain_corrected checksum unverified"  # ecg.signals.quality

COLUMNS: tuple[Column, ...] = (
    Column(path="record/name", dtype="string", dims=_RECORD, meaning="record name"),
    Column(path="record/dataset", dtype="string", dims=_RECORD, meaning="dataset the record belongs to"),
    Column(path="record/start", dtype="int64", dims=_RECORD, units="samples", meaning="first column in signal"),
    Column(path="record/length", dtype="int64", dims=_RECORD, units="samples", meaning="columns in signal"),
    Column(
        path="record/fs_source",
        dtype="float64",
        dims=_RECORD,
        units="Hz",
        meaning="source sampling frequency",
    ),
    Column(path="record/n_samples_source", dtype="int64", dims=_RECORD, units="samples", meaning="source samples"),
    Column(
        path="record/age",
        dtype="float32",
        dims=_RECORD,
        units="years",
        missing="NaN",
        meaning="age; 300 stands for older than 89",
    ),
    Column(
        path="record/sex",
        dtype="int8",
        dims=_RECORD,
        missing="-1",
        meaning="sex",
        flag_values=(-1, 0, 1),
        flag_meanings="unknown female male",
    ),
    Column(path="record/group", dtype="string", dims=_RECORD, meaning="hashed patient, or record if unknown"),
    Column(path="record/scale", dtype="float32", dims=_RECORD, units="uV", meaning="amplitude for normalisation"),
    Column(path="record/n_invalid", dtype="int64", dims=_RECORD, units="samples", meaning="samples interpolated"),
    Column(path="record/n_clipped", dtype="int64", dims=_RECORD, units="samples", meaning="samples clipped"),
    Column(path="record/digest", dtype="string", dims=_RECORD, meaning="SHA-256 of the source samples"),
    Column(
        path="record/lead_flags",
        dtype="uint16",
        dims=("record", "lead"),
        meaning="quality flags",
        flag_masks=tuple(1 << bit for bit in range(len(_FLAGS.split()))),
        flag_meanings=_FLAGS,
    ),
    Column(
        path="record/offset",
        dtype="int32",
        dims=("record", "lead"),
        units="uV",
        meaning="offset taken off the lead: source = signal + offset",
    ),
    Column(path="label/code", dtype="string", dims=("class",), meaning="diagnosis code (SNOMED CT)"),
    Column(path="label/matrix", dtype="uint8", dims=("record", "class"), meaning="1 where annotated"),
    Column(path="label/annotated", dtype="bool", dims=_RECORD, meaning="the record carries any label"),
    Column(path="label/scored_code", dtype="string", dims=("scored_class",), meaning="scored class"),
    Column(
        path="label/scored",
        dtype="uint8",
        dims=("record", "scored_class"),
        meaning="1 where the class or an equivalent one is annotated",
    ),
    Column(path="chunk/digest", dtype="string", dims=("chunk",), meaning="SHA-256 of the decoded chunk"),
)
SIGNAL = Column(
    path="signal",
    dtype="int16",
    dims=("lead", "time"),
    units="uV",
    meaning="all records' samples side by side; zero where no record is",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordRow:
    """One record's row of the tables, as a task of the ingest writes it down.

    `remarks` (kind, value) on what the header states go into a root attribute: see `cache.remarks`; `stated` goes into
    columns that a store may lack: see `cache.optional_columns`.
    """

    dataset: str
    name: str
    start: int
    length: int
    fs_source: float
    n_samples_source: int
    age: float | None
    sex: str | None
    group: str
    scale: float
    n_invalid: int
    n_clipped: int
    digest: str
    lead_flags: tuple[int, ...]
    offset: tuple[int, ...]
    dx_codes: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...] = ()
    stated: Stated = NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """A record that is not in the store, and why."""

    dataset: str
    record: str
    stage: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The journal entry of a finished partition: its rows, its rejects, its chunks' digests by number."""

    partition: int
    rows: tuple[RecordRow, ...]
    rejects: tuple[Reject, ...]
    chunk_digests: dict[int, str]

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(
            {
                "partition": self.partition,
                "chunk_digests": {str(chunk): digest for chunk, digest in self.chunk_digests.items()},
                "columns": RecordRow.__slots__,
                "rows": [[_to_json(getattr(row, name)) for name in RecordRow.__slots__] for row in self.rows],
                "rejects": [asdict(reject) for reject in self.rejects],
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str) -> Self:
        """The inverse of `to_json`.

        Raises
        ------
        StoreError
            If the text is not such an object, naming `where` it came from.
        """
        try:
            values = parse_json(text)
            columns = values["columns"]
            return cls(
                partition=_expect(values["partition"], int),
                chunk_digests={int(chunk): _expect(digest, str) for chunk, digest in values["chunk_digests"].items()},
                rows=tuple(_row_from_dict(dict(zip(columns, row, strict=True))) for row in values["rows"]),
                rejects=tuple(
                    Reject(**{key: _expect(text, str) for key, text in reject.items()}) for reject in values["rejects"]
                ),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StoreError(f"{where}: not a part of this version's build journal ({error})") from error


def _row_from_dict(values: dict[str, Any]) -> RecordRow:
    for key, kind in (("lead_flags", int), ("offset", int), ("dx_codes", str)):
        values[key] = tuple(values[key])
        for value in () if set(map(type, values[key])) <= {kind} else values[key]:
            _expect(value, kind)
    for key, kinds in _ROW_KINDS.items():
        _expect(values[key], kinds)
    # an entry that an earlier version of this program left has neither
    values["remarks"] = tuple((str(kind), str(value)) for kind, value in values.get("remarks", ()))
    values["stated"] = Stated.from_dict(values.get("stated", {}))
    return RecordRow(**values)


def _to_json(value: Any) -> Any:  # noqa: ANN401 - any field of a row
    return value.to_dict() if isinstance(value, Stated) else value


_ROW_KINDS: dict[str, Any] = {
    **dict.fromkeys(("dataset", "name", "group", "digest"), str),
    **dict.fromkeys(("start", "length", "n_samples_source", "n_invalid", "n_clipped"), int),
    **dict.fromkeys(("fs_source", "scale"), (int, float)),
    "age": (int, float, NoneType),
    "sex": (str, NoneType),
}


def _expect(value: Any, kinds: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value, if it is of one of these types."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{value!r} where something else is expected")
    return value


def sha256_of_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """SHA-256 of `value` as JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of_texts(texts: Sequence[str]) -> str:
    """SHA-256 of texts joined by a NUL, which none of them may hold."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
