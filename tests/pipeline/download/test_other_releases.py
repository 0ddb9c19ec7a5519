"""The releases beside that of 2020, published as PhysioNet publishes them: whole, or what is missing by name."""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.commands.download import download as command
from ecg12.ecg.datasets import KNOWN_DATASETS
from ecg12.ecg.errors import ConfigError, DownloadError, InputError
from ecg12.pipeline.download.download import RELEASE_NAMES, DownloadConfig, DownloadSummary, download
from ecg12.pipeline.download.manifest import MANIFEST, Manifest, read_manifest
from ecg12.pipeline.download.patient_table import FETCHED
from ecg12.pipeline.download.sources import RELEASE_LIST, RELEASES, Source
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.pipeline.http_server import Server
from tests.pipeline.published import FAST, Published, tarball_of, tree
from tests.records import write_record

LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
TABLE = b"ecg_id,patient_id,age,filename_lr,filename_hr\n" + b"".join(
    b"%d,%d.0,56.0,records100/%05d/%05d_lr,records500/%05d/%05d_hr\n"
    % (number, 9, number // 1000 * 1000, number, number // 1000 * 1000, number)
    for number in (1, 2, 1000)
)


@dataclass(frozen=True)
class Tree:
    """`files`: path → bytes as listed, the list among them; `served` as a host has them; `sources` fits."""

    files: dict[str, bytes]
    served: dict[str, bytes]
    sources: tuple[Source, ...]


def physionets_list(files: dict[str, bytes]) -> bytes:
    """As PhysioNet writes it: one blank between, by name."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()} {name}\n" for name in sorted(files)).encode()


def fitting(release: str, files: dict[str, bytes]) -> tuple[Source, ...]:
    """The published sources with the counts and sizes of a small tree."""
    fit = []
    for source in RELEASES[release].sources:
        own = {name: body for name, body in files.items() if name.startswith(f"{source.release_path}/")}
        n_records = sum(name.endswith(".hea") for name in own)
        size = sum(-(-len(body) // 4096) * 4096 for body in own.values())
        fit.append(replace(source, dataset=replace(source.dataset, n_records=n_records), size_bytes=size))
    return tuple(fit)


@pytest.fixture(scope="module")
def of_2021(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The six as they were, and some of the two, with what is odd in the published tree."""
    files = {name: body for name, body in published.release.items() if name != RELEASE_LIST}
    folder = tmp_path_factory.mktemp("js")
    for name, path in {
        "JS00001": "chapman_shaoxing/g1",
        "JS01052": "chapman_shaoxing/g2",
        "JS10647": "ningbo/g1",
        "JS13118": "ningbo/g3",
        "JS23074": "ningbo/g13",
    }.items():
        header = write_record(folder, name, dx="426177001,")
        files[f"training/{path}/{name}.hea"] = header.read_bytes()
        files[f"training/{path}/{name}.mat"] = header.with_suffix(".mat").read_bytes()
    header = files.pop("training/ningbo/g13/JS23074.hea")
    files["training/ningbo/g13/S23074.hea"] = header.removeprefix(b"J")
    files["training/cpsc_2018/.DS_Store"] = b"\0\0\0\1Bud1"
    files |= {"LICENSE.txt": b"CC BY 4.0\n", "training/ningbo/RECORDS": b"g1/\ng3/\ng13/\n"}
    files[RELEASE_LIST] = physionets_list(files)
    served = files | {"training/ningbo/g3/JS13118.mat": b"x" * len(files["training/ningbo/g3/JS13118.mat"])}
    del served["training/cpsc_2018/.DS_Store"]
    return Tree(files, served, fitting("challenge-2021", files))


@pytest.fixture(scope="module")
def of_ptbxl(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """PTB-XL's own tree, its records written by wfdb."""
    folder = tmp_path_factory.mktemp("ptbxl")
    files = {
        "LICENSE.txt": b"CC BY 4.0\n",
        "RECORDS": b"records100/00000/00001_lr\n",
        "example_physionet.py": b"import wfdb\n",
        "ptbxl_database.csv": TABLE,
        "ptbxl_v103_changelog.txt": b"1.0.3\n",
        "scp_statements.csv": b",description,diagnostic\nNORM,normal ECG,1.0\n",
    }
    rng = np.random.default_rng(0)
    for number in (1, 2, 1000):
        for suffix, fs in (("hr", 500), ("lr", 100)):
            name = f"{number:05d}_{suffix}"
            with warnings.catch_warnings(action="ignore"):  # of pandas, about wfdb
                wfdb.wrsamp(
                    name,
                    fs=fs,
                    units=["mV"] * 12,
                    sig_name=LEADS,
                    p_signal=np.cumsum(rng.normal(0, 0.02, (10 * fs, 12)), axis=0).round(3),
                    fmt=["16"] * 12,
                    adc_gain=[1000.0] * 12,
                    baseline=[0] * 12,
                    write_dir=str(folder),
                )
            place = f"records{fs}/{number // 1000 * 1000:05d}/{name}"
            for ending in ("hea", "dat"):
                files[f"{place}.{ending}"] = (folder / f"{name}.{ending}").read_bytes()
    files[RELEASE_LIST] = physionets_list(files)
    return Tree(files, files, fitting("ptb-xl", files))


@pytest.fixture
def server_2021(of_2021: Tree) -> Iterator[Server]:
    with Server(dict(of_2021.served)) as server:
        yield server


@pytest.fixture
def server_ptbxl(of_ptbxl: Tree) -> Iterator[Server]:
    with Server(dict(of_ptbxl.served)) as server:
        yield server


def bring(output: Path, tree: Tree, *mirrors: str, **options: object) -> DownloadSummary:
    return download(output, DownloadConfig(mirrors=mirrors, **options), transfer=FAST, sources=tree.sources, table=None)


def names_built(folder: Path, store: Path) -> Store:
    build_cache([folder], store, config=StoreConfig(), workers=1)
    return Store(store)


def test_what_is_offered_is_what_is_known() -> None:
    (option,) = [option for option in command.params if option.name == "release"]
    assert tuple(option.type.choices) == RELEASE_NAMES == ("challenge-2020", "challenge-2021", "ptb-xl")


def test_the_release_of_2021_comes_whole_but_for_what_no_host_has(
    of_2021: Tree, server_2021: Server, tmp_path: Path
) -> None:
    summary = bring(tmp_path, of_2021, server_2021.url, release="challenge-2021", verify=True)
    assert not summary.problems
    unserved = {"training/cpsc_2018/.DS_Store", "training/ningbo/g3/JS13118.mat"}
    came = tree(tmp_path)
    assert came.pop("training/ningbo/g3/JS13118.mat.bad") == of_2021.served["training/ningbo/g3/JS13118.mat"]
    assert came == {name: body for name, body in of_2021.files.items() if name not in unserved}
    assert [report.name for report in summary.reports] == [*(one.name for one in KNOWN_DATASETS), "release"]
    for report, source in zip(summary.reports, of_2021.sources, strict=False):
        assert report.n_records == source.dataset.n_records
    told = [note for note in summary.notes if "as is known of challenge-2021" in note]
    assert [note.split()[0] for note in told] == sorted(unserved)
    assert "SHA-256 bbd5fe83" in told[1]
    assert [text.split(":")[0] for report in summary.reports for text in report.headers_wrong] == ["JS13118"]
    assert json.loads((tmp_path / MANIFEST).read_text())["release"] == "challenge-2021"


def test_a_file_that_came_right_after_all_is_taken(of_2021: Tree, tmp_path: Path) -> None:
    with Server(dict(of_2021.files)) as server:
        summary = bring(tmp_path, of_2021, server.url, release="challenge-2021")
    assert (summary.problems, summary.notes) == ((), ())
    assert tree(tmp_path) == of_2021.files


def test_any_other_file_that_is_missing_is_a_problem(of_2021: Tree, tmp_path: Path) -> None:
    served = {name: body for name, body in of_2021.served.items() if not name.endswith("JS10647.mat")}
    with Server(served) as server:
        summary = bring(tmp_path, of_2021, server.url, release="challenge-2021")
    [text] = summary.problems
    assert text.startswith("ningbo: training/ningbo/g1/JS10647.mat is missing")


def test_a_store_of_it_knows_the_eight_datasets(of_2021: Tree, server_2021: Server, tmp_path: Path) -> None:
    bring(tmp_path / "data", of_2021, server_2021.url, release="challenge-2021")
    store = names_built(tmp_path / "data", tmp_path / "s.zarr")
    expected = {source.dataset.name: source.dataset.n_records for source in of_2021.sources}
    expected["ningbo"] -= 2
    assert Counter(store.datasets.tolist()) == expected
    assert "JS01052" in store.names.tolist()  # of which this release has a good header
    reasons = {reject["record"].rpartition("/")[2]: reject["reason"] for reject in store.attributes["rejects"]}
    assert sorted(reasons) == ["JS13118", "S23074"]
    assert reasons["S23074"].startswith("S23074: known to be faulty in challenge-2021 1.0.3: it is Ningbo's JS23074")
    assert "JS13118.mat" in reasons["JS13118"]


def test_a_folder_keeps_its_release(of_2021: Tree, server_2021: Server, tmp_path: Path) -> None:
    bring(tmp_path, of_2021, server_2021.url, release="challenge-2021", datasets=("ningbo",))
    name = "training/ningbo/g1/JS10647.mat"
    (tmp_path / name).write_bytes(b"damaged")
    rest = bring(tmp_path, of_2021, server_2021.url, datasets=("ningbo", "chapman-shaoxing"), verify=True)
    assert not rest.problems
    assert (tmp_path / name).read_bytes() == of_2021.files[name]
    assert [report.n_repaired for report in rest.reports] == [0, 1, 0]
    with pytest.raises(InputError, match="holds the release challenge-2021; expected a folder of its own for ptb-xl"):
        bring(tmp_path, of_2021, server_2021.url, release="ptb-xl")
    with pytest.raises(ConfigError, match=r"datasets records100; expected some of cpsc, .*, or --release ptb-xl$"):
        bring(tmp_path, of_2021, server_2021.url, datasets=("records100",))
    with pytest.raises(ConfigError, match="challenge-2021 has no published tarballs; expected --source release"):
        bring(tmp_path, of_2021, server_2021.url, source="tarballs")
    assert read_manifest(tmp_path).release == "challenge-2021"


def test_a_download_that_never_began_binds_no_folder(of_2021: Tree, server_2021: Server, tmp_path: Path) -> None:
    with Server({}) as nothing:
        gone = nothing.url
    with pytest.raises(DownloadError, match="could not be had"):
        download(tmp_path, DownloadConfig(mirrors=(gone,), release="ptb-xl"), transfer=FAST)
    summary = bring(tmp_path, of_2021, server_2021.url, release="challenge-2021", datasets=("ptb",))
    assert not summary.problems


def test_a_folder_of_before_there_was_a_choice_is_of_2020(
    published: Published, release_server: Server, tmp_path: Path
) -> None:
    config = DownloadConfig(mirrors=(release_server.url,), datasets=("ptb",))
    download(tmp_path, config, transfer=FAST, sources=published.sources, table=None)
    data = json.loads((tmp_path / MANIFEST).read_text())
    assert data.pop("release") == "challenge-2020"
    assert Manifest.from_dict(data).release == "challenge-2020"
    (tmp_path / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(InputError, match="holds the release challenge-2020"):
        download(tmp_path, replace(config, release="challenge-2021"), transfer=FAST, sources=published.sources)
    (tmp_path / MANIFEST).write_text(json.dumps(data | {"release": "of tomorrow"}))
    with pytest.raises(DownloadError, match="release 'of tomorrow'"):
        download(tmp_path, config, transfer=FAST, sources=published.sources, table=None)


@pytest.mark.parametrize("release", ["challenge-2020", "ptb-xl"])
def test_the_list_of_another_release_is_refused(
    release: str, of_2021: Tree, server_2021: Server, tmp_path: Path
) -> None:
    """As where the mirror of one release is named for another, whose files would come as others of it."""
    with pytest.raises(DownloadError, match=r"which is of the release challenge-2021; .* --release challenge-2021"):
        download(tmp_path, DownloadConfig(mirrors=(server_2021.url,), release=release), transfer=FAST, table=None)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("release", [None, "challenge-2020", "ptb-xl"])
def test_a_tree_of_another_release_that_lies_there_is_left_as_it_is(
    release: str | None, of_2021: Tree, server_2021: Server, tmp_path: Path
) -> None:
    """As wget leaves it: without a manifest."""
    (tmp_path / RELEASE_LIST).write_bytes(of_2021.files[RELEASE_LIST])
    with pytest.raises(DownloadError, match=r"SHA256SUMS.txt: names .* --release challenge-2021"):
        download(tmp_path, DownloadConfig(mirrors=(server_2021.url,), release=release), transfer=FAST, table=None)
    assert tree(tmp_path) == {RELEASE_LIST: of_2021.files[RELEASE_LIST]}
    summary = bring(tmp_path, of_2021, server_2021.url, release="challenge-2021", datasets=("ptb",))
    assert not summary.problems


def test_the_table_of_patients_comes_with_the_release_of_2021(of_2021: Tree, of_ptbxl: Tree, tmp_path: Path) -> None:
    """From the release beside it, on a mirror that is laid out as PhysioNet is."""
    files = {f"challenge-2021/1.0.3/{name}": body for name, body in of_2021.served.items()}
    files |= {f"ptb-xl/1.0.3/{name}": body for name, body in of_ptbxl.files.items()}
    with Server(files) as server:
        mirror = f"{server.url}/challenge-2021/1.0.3"
        config = DownloadConfig(mirrors=(mirror,), release="challenge-2021", datasets=("ptb-xl",))
        summary = download(tmp_path, config, transfer=FAST, sources=of_2021.sources)
    assert not summary.problems
    assert summary.patients == f"{tmp_path}/ptbxl_database.csv: {FETCHED}"
    assert (tmp_path / "ptbxl_database.csv").read_bytes() == TABLE


def test_ptb_xl_comes_with_both_tables_and_500_hz(of_ptbxl: Tree, server_ptbxl: Server, tmp_path: Path) -> None:
    summary = bring(tmp_path, of_ptbxl, server_ptbxl.url, release="ptb-xl", verify=True)
    assert (summary.problems, summary.notes) == ((), ())
    assert tree(tmp_path) == {name: body for name, body in of_ptbxl.files.items() if "records100/" not in name}
    assert [(report.name, report.n_records) for report in summary.reports] == [("records500", 3), ("release", 0)]
    assert summary.reports[0].headers_right == 3
    more = bring(tmp_path, of_ptbxl, server_ptbxl.url, datasets=("records100", "records500"))
    assert not more.problems
    assert tree(tmp_path) == of_ptbxl.files
    assert sum(report.n_fetched for report in more.reports) == 6
    (tmp_path / "ptbxl_database.csv").write_bytes(TABLE + b"\n")
    mended = bring(tmp_path, of_ptbxl, server_ptbxl.url, verify=True)
    assert not mended.problems
    assert (tmp_path / "ptbxl_database.csv").read_bytes() == TABLE
    assert (tmp_path / "ptbxl_database.csv.bad").exists()


def test_100_hz_alone(of_ptbxl: Tree, server_ptbxl: Server, tmp_path: Path) -> None:
    bring(tmp_path, of_ptbxl, server_ptbxl.url, release="ptb-xl", datasets=("records100",))
    assert {name for name in of_ptbxl.files if "records500/" not in name} == set(tree(tmp_path))


def test_a_store_of_ptb_xl_knows_its_patients(of_ptbxl: Tree, server_ptbxl: Server, tmp_path: Path) -> None:
    bring(tmp_path / "ptb-xl", of_ptbxl, server_ptbxl.url, release="ptb-xl")
    store = names_built(tmp_path / "ptb-xl", tmp_path / "s.zarr")
    assert sorted(store.names.tolist()) == ["00001_hr", "00002_hr", "01000_hr"]
    assert len(set(store.column("record/group").tolist())) == 1


@pytest.mark.parametrize("release", ["challenge-2021", "ptb-xl"])
def test_a_release_on_disk(release: str, of_2021: Tree, of_ptbxl: Tree, tmp_path: Path) -> None:
    there = {"challenge-2021": of_2021, "ptb-xl": of_ptbxl}[release]
    for name, body in there.served.items():
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).write_bytes(body)
    summary = bring(tmp_path / "data", there, release=release, given=tmp_path / "given")
    assert not summary.problems
    known = [note for note in summary.notes if "as is known of" in note]
    assert len(known) == (2 if release == "challenge-2021" else 0)
    assert set(tree(tmp_path / "data")) <= set(there.served)


def test_loose_records_of_2021_are_laid_into_folders(of_2021: Tree, tmp_path: Path) -> None:
    for name in ("JS00001", "JS10647"):
        write_record(tmp_path / "WFDBRecords", name)
    chosen = ("chapman-shaoxing", "ningbo")
    summary = bring(tmp_path / "d", of_2021, release="challenge-2021", datasets=chosen, given=tmp_path / "WFDBRecords")
    files = ["WFDB_ChapmanShaoxing/JS00001.hea", "WFDB_Ningbo/JS10647.hea"]
    assert sorted(name for name in tree(tmp_path / "d") if name.endswith("hea")) == files
    assert [report.way for report in summary.reports] == ["folder", "folder"]


def test_records_of_another_release_are_counted(published: Published, tmp_path: Path) -> None:
    write_record(tmp_path / "given", "JS00001")
    write_record(tmp_path / "given", "S0001", fs=1000)
    config = DownloadConfig(given=tmp_path / "given", datasets=("ptb",))
    summary = download(tmp_path / "data", config, transfer=FAST, sources=published.sources, table=None)
    assert summary.notes[:1] == (
        "1 records are of none of the datasets of challenge-2020 and were left where they are",
    )


@pytest.mark.parametrize(
    ("release", "what"), [("challenge-2021", "tarball"), ("ptb-xl", "tarball"), ("ptb-xl", "records")]
)
def test_what_cannot_be_proven_is_refused(release: str, what: str, of_ptbxl: Tree, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    if what == "tarball":
        (given / "WFDB_Ningbo.tar.gz").write_bytes(tarball_of({"WFDB_Ningbo/JS10647.hea": b"x"}))
    else:
        write_record(given, "00001_hr", fmt="16")
    with pytest.raises(InputError, match=f"given: has no SHA256SUMS.txt; expected the release {release} as it was"):
        bring(tmp_path / "data", of_ptbxl, release=release, given=given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"release": "challenge-2019"},
            "release 'challenge-2019'; expected challenge-2020 or challenge-2021 or ptb-xl",
        ),
        ({"release": "challenge-2020", "datasets": ("ningbo",)}, "datasets ningbo; .*, or --release challenge-2021$"),
        (
            {"release": "ptb-xl", "datasets": ("ptb-xl",)},
            "datasets ptb-xl; expected some of records500, records100, or",
        ),
        ({"release": "ptb-xl", "source": "tarballs"}, "ptb-xl has no published tarballs"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DownloadConfig(**options)
