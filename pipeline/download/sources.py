"""Where the data and the published weights are: one table, nothing but data.

Addresses, both issues' MD5, sizes and counts are from the Challenge's own pages and instructions (2020) and from
version 1.0.2 of its publication on PhysioNet. The trade-off: sizes are those that the instructions print, `du` of each
extracted folder in two or three digits, good for planning disk space and progress and never for proof.

Of challenge-2021 1.0.3 and ptb-xl 1.0.3 the counts are those of their own lists, as others who held every file against
them tell; their records of 10 s all have one size, from which the folders' sizes are reckoned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ecg12.ecg.datasets import DATASETS, DATASETS_ADDED_2021, PTBXL, PTBXL_TABLE_NAME, Dataset
from ecg12.ecg.faulty_records import FAULTY_BY_NAME
from ecg12.pipeline.http.size_limits import GIB, MIB

RELEASE_LIST: Final = "SHA256SUMS.txt"
"""The release's own list of every file with its SHA-256; `RECORDS` files are not used, some name wrong folders."""

CHALLENGE_RELEASE: Final = "challenge-2020/1.0.2"


def hosts_of(place: str) -> tuple[str, ...]:
    """Of a release's place on PhysioNet, in the order they are tried: the open-data bucket, then file by file."""
    return (f"https://physionet-open.s3.amazonaws.com/{place}", f"https://physionet.org/files/{place}")


TARBALL_HOSTS: Final = ("https://cloudypipeline.com:9555/api/download/physionet2020training/{path}/",)
"""The host of the original instructions; it answers no more, and `--mirror` or `--from` take its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One dataset as it was published: in a release, and those of 2020 as a tarball, twice.

    Attributes
    ----------
    dataset : name, folder of the tarball, record count
    release_path : posix path of its folder in the release
    tarball : file name; "" = there is none
    md5_first : of the tarball, in the original instructions
    md5_last : of the tarball, as issued last
    size_bytes : of the extracted folder, as `du` counts (blocks of 4 KiB)
    """

    dataset: Dataset
    release_path: str
    size_bytes: int
    tarball: str = ""
    md5_first: str = ""
    md5_last: str = ""


def _source(name: str, release_folder: str, tarball: str, md5_first: str, md5_last: str, size_bytes: float) -> Source:
    return Source(
        dataset=next(dataset for dataset in DATASETS if dataset.name == name),
        release_path=f"training/{release_folder}",
        tarball=f"PhysioNetChallenge2020_{tarball}.tar.gz",
        md5_first=md5_first,
        md5_last=md5_last,
        size_bytes=int(size_bytes),
    )


SOURCES: Final[tuple[Source, ...]] = (
    _source(
        "cpsc",
        "cpsc_2018",
        "Training_CPSC",
        "7b6b1f1ab1b4c59169c639d379575a87",
        "7b6b1f1ab1b4c59169c639d379575a87",
        1.3 * GIB,
    ),
    _source(
        "cpsc-extra",
        "cpsc_2018_extra",
        "Training_2",
        "36b409ee2b46aa6f1d2bef99b8451925",
        "36b409ee2b46aa6f1d2bef99b8451925",
        650 * MIB,
    ),
    _source(
        "georgia",
        "georgia",
        "Training_E",
        "594c8cbc02a0aec4c179d2f019b09a7a",
        "e4a011c77c4f066f2c53007efcb5aa43",
        1.2 * GIB,
    ),
    _source(
        "incart",
        "st_petersburg_incart",
        "Training_StPetersburg",
        "440ca079f137fb16259511bb6105f134",
        "abcdf9fd1b2f2ca8b1ff158f3b9789b0",
        784 * MIB,
    ),
    _source(
        "ptb",
        "ptb",
        "Training_PTB",
        "4035a2b496067c4331eecab74695bc67",
        "349316b6985cd21940210e36af9415ec",
        1.3 * GIB,
    ),
    _source(
        "ptb-xl",
        "ptb-xl",
        "PTB-XL",
        "a893319c53f77d8e6a76ed3af38be99e",
        "7ae20a89ae21fd68626ddb3c6b44fdd4",
        2.6 * GIB,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientTable:
    """A published table that says which records are of one patient; see `pipeline.recordings.patient_groups`.

    Attributes
    ----------
    dataset : whose records it is about
    file : its name, in the root of its own release
    release : that release's place on a host that has the Challenge's beside it
    hosts : of that release, in the order they are tried
    """

    dataset: str
    file: str
    release: str
    hosts: tuple[str, ...]


PTBXL_TABLE: Final = PatientTable(
    dataset=PTBXL,
    file=PTBXL_TABLE_NAME,
    release="ptb-xl/1.0.3",
    hosts=hosts_of("ptb-xl/1.0.3"),
)
"""Of PTB-XL as PhysioNet publishes it; record HR00001 of the Challenge is its `ecg_id` 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One publication on PhysioNet, which `download --release` brings.

    Attributes
    ----------
    name : as it is asked for
    place : of it on every host of PhysioNet's
    sources : its datasets, or the folders that stand for them
    default : names of those that are brought where none are named
    table : a table of another release that belongs beside it
    keeps : files in its root that are its own, although this program brings files of these names to other releases
    unserved : listed files that its own hosts are known not to give as listed → what is known of it
    """

    name: str
    place: str
    sources: tuple[Source, ...]
    default: tuple[str, ...]
    table: PatientTable | None = None
    keeps: tuple[str, ...] = ()
    unserved: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its datasets."""
        return tuple(source.dataset.name for source in self.sources)

    @property
    def hosts(self) -> tuple[str, ...]:
        """In the order they are tried."""
        return hosts_of(self.place)

    @property
    def has_tarballs(self) -> bool:
        """Whether it was published packed, too, with digests."""
        return any(source.tarball for source in self.sources)


_BLOCK: Final = 4096


def _du(n_records: int, signal_bytes: int) -> int:
    """What so many records take in blocks: a signal each, and a header of less than one."""
    return n_records * (-(-signal_bytes // _BLOCK) + 1) * _BLOCK


_JS_BYTES: Final = 24 + 2 * 12 * 5000

_SOURCES_2021: Final = (
    *(replace(source, tarball="", md5_first="", md5_last="") for source in SOURCES),
    *(
        Source(dataset=dataset, release_path=f"training/{folder}", size_bytes=_du(dataset.n_records, _JS_BYTES))
        for dataset, folder in zip(DATASETS_ADDED_2021, ("chapman_shaoxing", "ningbo"), strict=True)
    ),
)


def _source_of_ptbxl(folder: str, fs: float) -> Source:
    # its records are told by their folder: the same 21,799 lie in both
    dataset = Dataset(
        name=folder, title=f"PTB-XL at {fs:g} Hz", folder=folder, prefix="", digits=0, fs=fs, n_records=21_799
    )
    return Source(dataset=dataset, release_path=folder, size_bytes=_du(dataset.n_records, int(2 * 12 * 10 * fs)))


RELEASES: Final[Mapping[str, Release]] = {
    release.name: release
    for release in (
        Release(
            name="challenge-2020",
            place=CHALLENGE_RELEASE,
            sources=SOURCES,
            default=tuple(source.dataset.name for source in SOURCES),
            table=PTBXL_TABLE,
        ),
        Release(
            name="challenge-2021",
            place="challenge-2021/1.0.3",
            sources=_SOURCES_2021,
            default=tuple(source.dataset.name for source in _SOURCES_2021),
            table=PTBXL_TABLE,
            unserved={
                "training/cpsc_2018/.DS_Store": "a leftover of macOS, which the list names and no host has",
                "training/ningbo/g3/JS13118.mat": FAULTY_BY_NAME["JS13118"].fault,
            },
        ),
        Release(
            name="ptb-xl",
            place=PTBXL_TABLE.release,
            sources=(_source_of_ptbxl("records500", 500), _source_of_ptbxl("records100", 100)),
            default=("records500",),
            keeps=(PTBXL_TABLE_NAME,),
        ),
    )
}
DEFAULT_RELEASE: Final = "challenge-2020"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a published run folder; no checksums were published."""

    folder: str
    file: str
    url: str


WEIGHT_SETS: Final = ("mdl", "mdls")
"""The first part of `WeightFile.folder`: the run folder of April 2020, and the six of August."""

WEIGHTS: Final[tuple[WeightFile, ...]] = (
    WeightFile("mdl", "config.json", "https://www.dropbox.com/s/1pledtjboriw1fz/config.json?dl=0"),
    WeightFile("mdl", "model.pth", "https://www.dropbox.com/s/f940fomzmbxmbra/model.pth?dl=0"),
    WeightFile("mdl", "pretrain_config.json", "https://www.dropbox.com/s/46ombyq4ecgl7oa/pretrain_config.json?dl=0"),
    WeightFile("mdl", "pretrain_model.pth", "https://www.dropbox.com/s/hv0mj3gwcm43u26/pretrain_model.pth?dl=0"),
    WeightFile("mdl", "history.csv", "https://www.dropbox.com/s/f08q2wk2wdwehza/history.csv?dl=0"),
    WeightFile("mdl", "pretrain_history.csv", "https://www.dropbox.com/s/3kjsfl8lyak6hau/pretrain_history.csv?dl=0"),
    WeightFile("mdls/mdl1", "config.json", "https://www.dropbox.com/s/y3j7048wcj9jksg/config.json?dl=0"),
    WeightFile(
        "mdls/mdl1", "correction_factor.txt", "https://www.dropbox.com/s/47g3la9gjcvw74j/correction_factor.txt?dl=0"
    ),
    WeightFile("mdls/mdl1", "history.csv", "https://www.dropbox.com/s/mal9mvlt3t3ry9g/history.csv?dl=0"),
    WeightFile("mdls/mdl1", "model.pth", "https://www.dropbox.com/s/if4qh47p70l4hv2/model.pth?dl=0"),
    WeightFile("mdls/mdl1", "out_layer.txt", "https://www.dropbox.com/s/nvb1tpeq3zxyqmg/out_layer.txt?dl=0"),
    WeightFile("mdls/mdl1", "train_ids.txt", "https://www.dropbox.com/s/fvky7p6ca9ipeo1/train_ids.txt?dl=0"),
    WeightFile("mdls/mdl2", "config.json", "https://www.dropbox.com/s/x734tg6zw41rwau/config.json?dl=0"),
    WeightFile(
        "mdls/mdl2", "correction_factor.txt", "https://www.dropbox.com/s/euaeg5ti1547wy0/correction_factor.txt?dl=0"
    ),
    WeightFile("mdls/mdl2", "history.csv", "https://www.dropbox.com/s/911e806lnfzw7v2/history.csv?dl=0"),
    WeightFile("mdls/mdl2", "model.pth", "https://www.dropbox.com/s/4s165dijaf70evo/model.pth?dl=0"),
    WeightFile("mdls/mdl2", "out_layer.txt", "https://www.dropbox.com/s/el2rcaxqrss7ppw/out_layer.txt?dl=0"),
    WeightFile("mdls/mdl2", "train_ids.txt", "https://www.dropbox.com/s/ty5eo7qu6n756pc/train_ids.txt?dl=0"),
    WeightFile("mdls/mdl3", "config.json", "https://www.dropbox.com/s/466huxwf19l941l/config.json?dl=0"),
    WeightFile(
        "mdls/mdl3", "correction_factor.txt", "https://www.dropbox.com/s/c39c2es4szhrjtg/correction_factor.txt?dl=0"
    ),
    WeightFile("mdls/mdl3", "history.csv", "https://www.dropbox.com/s/5c9f3x5mqexdgmg/history.csv?dl=0"),
    WeightFile("mdls/mdl3", "model.pth", "https://www.dropbox.com/s/e5axa65s32on551/model.pth?dl=0"),
    WeightFile("mdls/mdl3", "out_layer.txt", "https://www.dropbox.com/s/xspq1wls3cpeke0/out_layer.txt?dl=0"),
    WeightFile("mdls/mdl3", "train_ids.txt", "https://www.dropbox.com/s/p2puyr814lv69pl/train_ids.txt?dl=0"),
    WeightFile("mdls/mdl4", "config.json", "https://www.dropbox.com/s/nt45r982qu7jodl/config.json?dl=0"),
    WeightFile(
        "mdls/mdl4", "correction_factor.txt", "https://www.dropbox.com/s/aqzz3jzl4funp9f/correction_factor.txt?dl=0"
    ),
    WeightFile("mdls/mdl4", "history.csv", "https://www.dropbox.com/s/je51bak370k4kcn/history.csv?dl=0"),
    WeightFile("mdls/mdl4", "model.pth", "https://www.dropbox.com/s/b21xtora0ym8uuh/model.pth?dl=0"),
    WeightFile("mdls/mdl4", "out_layer.txt", "https://www.dropbox.com/s/6d0d356dmbe7rxn/out_layer.txt?dl=0"),
    WeightFile("mdls/mdl4", "train_ids.txt", "https://www.dropbox.com/s/jjx87zicrwbz1kg/train_ids.txt?dl=0"),
    WeightFile("mdls/mdl5", "config.json", "https://www.dropbox.com/s/f0u6vonuqnpyno7/config.json?dl=0"),
    WeightFile(
        "mdls/mdl5", "correction_factor.txt", "https://www.dropbox.com/s/8xufnxjxmiutr3u/correction_factor.txt?dl=0"
    ),
    WeightFile("mdls/mdl5", "history.csv", "https://www.dropbox.com/s/4o2o69bockngeug/history.csv?dl=0"),
    WeightFile("mdls/mdl5", "model.pth", "https://www.dropbox.com/s/mojuok2r78cd7go/model.pth?dl=0"),
    WeightFile("mdls/mdl5", "out_layer.txt", "https://www.dropbox.com/s/o41yh73e38zwbuj/out_layer.txt?dl=0"),
    WeightFile("mdls/mdl5", "train_ids.txt", "https://www.dropbox.com/s/abnxjx8l4czr63u/train_ids.txt?dl=0"),
    WeightFile("mdls/mdl6", "config.json", "https://www.dropbox.com/s/fym210f6qiz53oa/config.json?dl=0"),
    WeightFile(
        "mdls/mdl6", "correction_factor.txt", "https://www.dropbox.com/s/m3jkn5e99v02mdk/correction_factor.txt?dl=0"
    ),
    WeightFile("mdls/mdl6", "history.csv", "https://www.dropbox.com/s/nzlodzkdcnsghu0/history.csv?dl=0"),
    WeightFile("mdls/mdl6", "model.pth", "https://www.dropbox.com/s/5qtjc58wcxbtvi6/model.pth?dl=0"),
    WeightFile("mdls/mdl6", "out_layer.txt", "https://www.dropbox.com/s/9zpn1bsdckcp23j/out_layer.txt?dl=0"),
    WeightFile("mdls/mdl6", "train_ids.txt", "https://www.dropbox.com/s/tabl52rkk6myw5w/train_ids.txt?dl=0"),
)
