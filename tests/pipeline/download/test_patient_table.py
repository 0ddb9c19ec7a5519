"""PTB-XL's table of patients beside the data: fetched and proven, kept, told when it is missing."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.pipeline.download.download import DownloadConfig, DownloadSummary, download
from ecg12.pipeline.download.manifest import read_manifest
from ecg12.pipeline.download.patient_table import FETCHED, PROVEN, TRUSTED, UNPROVEN, places_of_mirrors
from ecg12.pipeline.download.sources import CHALLENGE_RELEASE, PTBXL_TABLE, RELEASE_LIST, PatientTable, hosts_of
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.training.split import split_by_group
from tests.pipeline.http_server import Act, Server
from tests.pipeline.published import FAST, Published, list_of

TABLE = (
    b"ecg_id,patient_id,age,filename_lr,filename_hr\n1,15709.0,56,records100/00000/00001_lr,records500/00000/00001_hr\n"
)
FILES = {"ptbxl_database.csv": TABLE, "scp_statements.csv": b"code\n"}
OWN = {f"ptb-xl/1.0.3/{name}": body for name, body in (FILES | {RELEASE_LIST: list_of(FILES)}).items()}
SIDECAR = f"{hashlib.sha256(TABLE).hexdigest()}  ptbxl_database.csv\n".encode()


@pytest.fixture
def server(published: Published) -> Iterator[Server]:
    """One host with the Challenge's release and PTB-XL's, laid out as PhysioNet lays them."""
    challenge = {f"{CHALLENGE_RELEASE}/{name}": body for name, body in published.release.items()}
    with Server(challenge | OWN) as server:
        yield server


def bring(
    output: Path, published: Published, *mirrors: str, table: PatientTable = PTBXL_TABLE, **options: object
) -> DownloadSummary:
    config = DownloadConfig(mirrors=mirrors, **{"datasets": ("ptb", "ptb-xl")} | options)
    return download(output, config, transfer=FAST, sources=published.sources, table=table)


def mirror_of(server: Server) -> str:
    return f"{server.url}/{CHALLENGE_RELEASE}"


def missing_in(texts: tuple[str, ...]) -> str:
    (text,) = [text for text in texts if "the table of ptb-xl's patients, is missing" in text]
    return text


def test_the_table_is_asked_of_its_own_release_on_the_same_hosts() -> None:
    ours = [host.removesuffix(CHALLENGE_RELEASE) + "ptb-xl/1.0.3" for host in hosts_of(CHALLENGE_RELEASE)]
    assert list(PTBXL_TABLE.hosts) == ours
    assert all(host.startswith("https://") for host in PTBXL_TABLE.hosts)


def test_it_comes_with_ptb_xl_is_proven_and_stays(server: Server, published: Published, tmp_path: Path) -> None:
    summary = bring(tmp_path, published, mirror_of(server))
    assert (summary.problems, summary.notes) == ((), ())
    assert summary.patients == f"{tmp_path}/ptbxl_database.csv: {FETCHED}"
    assert (tmp_path / "ptbxl_database.csv").read_bytes() == TABLE
    assert (tmp_path / "ptbxl_database.csv.sha256").read_bytes() == SIDECAR
    assert read_manifest(tmp_path).files["ptbxl_database.csv"].sha256 == hashlib.sha256(TABLE).hexdigest()
    assert not list(tmp_path.glob("*.new")) + list(tmp_path.glob("*.part"))
    n_before = len(server.seen)
    assert (bring(tmp_path, published, mirror_of(server)).patients or "").endswith(TRUSTED)
    assert (bring(tmp_path, published, mirror_of(server), verify=True).patients or "").endswith(PROVEN)
    assert len(server.seen) == n_before


def test_from_the_published_hosts(server: Server, published: Published, tmp_path: Path, monkeypatch) -> None:
    """The first has no list, the second has; no other release than the table's own is asked."""
    monkeypatch.setattr("ecg12.pipeline.download.sources.hosts_of", lambda place: (mirror_of(server),))
    table = replace(PTBXL_TABLE, hosts=(f"{server.url}/nothing", f"{server.url}/ptb-xl/1.0.3"))
    summary = bring(tmp_path, published, table=table)
    assert summary.problems == ()
    assert (summary.patients or "").endswith(FETCHED)


def test_only_with_ptb_xl(server: Server, published: Published, tmp_path: Path) -> None:
    summary = bring(tmp_path, published, mirror_of(server), datasets=("ptb",))
    assert summary.patients is None
    assert not (tmp_path / "ptbxl_database.csv").exists()
    assert not [seen for seen in server.seen if "ptbxl" in seen.path or "ptb-xl/1.0.3" in seen.path]


def test_a_folder_that_this_program_filled_is_a_mirror_of_the_table(published: Published, tmp_path: Path) -> None:
    files = published.release | {"ptbxl_database.csv": TABLE, "ptbxl_database.csv.sha256": SIDECAR}
    with Server(files) as server:
        summary = bring(tmp_path, published, server.url)
    assert (summary.problems, summary.notes) == ((), ())
    assert (summary.patients or "").endswith(FETCHED)


def test_a_mirror_whose_own_list_names_the_table(published: Published, tmp_path: Path) -> None:
    """As after `sha256sum` over a folder with everything in it."""
    files = {name: body for name, body in published.release.items() if name != RELEASE_LIST}
    files["ptbxl_database.csv"] = TABLE
    with Server(files | {RELEASE_LIST: list_of(files)}) as server:
        summary = bring(tmp_path, published, server.url)
    assert summary.problems == ()
    assert summary.notes == (
        "SHA256SUMS.txt names files that this program writes itself (ptbxl_database.csv); they are left out",
    )
    assert (summary.patients or "").endswith(FETCHED)
    assert (tmp_path / "ptbxl_database.csv").read_bytes() == TABLE


SIDECARS = {
    "PhysioNet's form": f"{SIDECAR.split()[0].decode()} ptbxl_database.csv\n",
    "tagged": f"SHA256 (ptbxl_database.csv) = {SIDECAR.split()[0].decode()}\n",
    "a digest alone": SIDECAR.split()[0].decode(),
    "a path of its maker": f"{SIDECAR.split()[0].decode()} */home/me/data/ptbxl_database.csv\r\n",
    "a path of Windows": f"\ufeff{SIDECAR.split()[0].decode()} *C:\\data\\ptbxl_database.csv\r\n",
}


@pytest.mark.parametrize("text", SIDECARS.values(), ids=SIDECARS.keys())
def test_a_sha256_file_of_another_program_proves_the_table(text: str, published: Published, tmp_path: Path) -> None:
    files = published.release | {"ptbxl_database.csv": TABLE, "ptbxl_database.csv.sha256": text.encode()}
    with Server(files) as server:
        summary = bring(tmp_path, published, server.url)
    assert (summary.patients or "").endswith(FETCHED)
    assert (tmp_path / "ptbxl_database.csv.sha256").read_bytes() == SIDECAR


def test_a_sha256_file_of_another_table_proves_nothing(published: Published, tmp_path: Path) -> None:
    sidecar = f"{'0' * 64}  ptbxl_database.csv\n{'1' * 64}  ptbxl_database.csv\n".encode()
    with Server(published.release | {"ptbxl_database.csv.sha256": sidecar}) as server:
        text = missing_in(bring(tmp_path, published, server.url).notes)
    assert "ptbxl_database.csv.sha256: has several digests of ptbxl_database.csv; expected its SHA-256" in text


def test_a_mirror_may_lack_it_and_that_is_told(release_server: Server, published: Published, tmp_path: Path) -> None:
    summary = bring(tmp_path, published, release_server.url)
    assert (summary.problems, summary.patients) == ((), None)
    text = missing_in(summary.notes)
    assert "ptbxl_database.csv.sha256 could not be had: " in text
    assert "a split may have one patient on both sides: fetch it from https://physionet.org/files/ptb-xl" in text


def test_published_hosts_that_lack_it_are_a_problem(
    server: Server, published: Published, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("ecg12.pipeline.download.sources.hosts_of", lambda place: (mirror_of(server),))
    summary = bring(tmp_path, published, table=replace(PTBXL_TABLE, hosts=(f"{server.url}/nothing",)))
    assert "SHA256SUMS.txt could not be had" in missing_in(summary.problems)
    assert summary.patients is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ptb-xl/1.0.3/ptbxl_database.csv": TABLE + b"2,7\n"}, "sha256 [0-9a-f]{64}; expected [0-9a-f]{64}"),
        ({f"ptb-xl/1.0.3/{RELEASE_LIST}": list_of({"other": b""})}, r"SHA256SUMS\.txt: names no ptbxl_database\.csv"),
        (
            {f"ptb-xl/1.0.3/{RELEASE_LIST}": b"<p>moved</p>"},
            r"SHA256SUMS\.txt: a web page or an error document \('<p>moved</p>'\)",
        ),
    ],
)
def test_what_is_not_proven_is_not_there(
    server: Server, published: Published, tmp_path: Path, change: dict[str, bytes], reason: str
) -> None:
    server.files |= change
    summary = bring(tmp_path, published, mirror_of(server))
    assert re.search(reason, missing_in(summary.notes))
    assert not (tmp_path / "ptbxl_database.csv").exists()
    assert not (tmp_path / "ptbxl_database.csv.sha256").exists()


def test_a_table_that_is_none_is_refused_whatever_its_digest(
    server: Server, published: Published, tmp_path: Path
) -> None:
    files = {"ptbxl_database.csv": b"a,b\n1,2\n"}
    server.files |= {f"ptb-xl/1.0.3/{name}": body for name, body in (files | {RELEASE_LIST: list_of(files)}).items()}
    summary = bring(tmp_path, published, mirror_of(server))
    assert "columns a, b; expected record (or ecg_id) and patient_id; kept as ptbxl_database.csv.bad" in missing_in(
        summary.notes
    )
    assert not (tmp_path / "ptbxl_database.csv").exists()


def test_a_table_that_has_changed_is_kept_aside_and_fetched(
    server: Server, published: Published, tmp_path: Path
) -> None:
    bring(tmp_path, published, mirror_of(server))
    (tmp_path / "ptbxl_database.csv").write_bytes(b"ecg_id,patient_id\n1,1\n")
    summary = bring(tmp_path, published, mirror_of(server), verify=True)
    assert (summary.patients or "").endswith(FETCHED)
    assert any(re.search(r"ptbxl_database\.csv: SHA-256 .*kept as ptbxl_database\.csv\.bad", n) for n in summary.notes)
    assert (tmp_path / "ptbxl_database.csv").read_bytes() == TABLE


def test_a_table_that_somebody_laid_there_is_proven_or_left(
    server: Server, release_server: Server, published: Published, tmp_path: Path
) -> None:
    (tmp_path / "right").mkdir()
    (tmp_path / "right" / "ptbxl_database.csv").write_bytes(TABLE)
    assert (bring(tmp_path / "right", published, mirror_of(server)).patients or "").endswith(PROVEN)
    assert (tmp_path / "right" / "ptbxl_database.csv.sha256").read_bytes() == SIDECAR
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "ptbxl_database.csv").write_bytes(b"ecg_id,patient_id\n1,1\n")
    summary = bring(tmp_path / "own", published, release_server.url)
    assert (summary.patients or "").endswith(UNPROVEN)
    (tmp_path / "own" / "ptbxl_database.csv").write_bytes(b"ecg_id,patient_id\n1,2\n")
    summary = bring(tmp_path / "own", published, release_server.url)
    assert "as it came: move it away" in missing_in(summary.notes)


def test_an_interrupted_transfer_is_gone_on_with(server: Server, published: Published, tmp_path: Path) -> None:
    server.act("ptb-xl/1.0.3/ptbxl_database.csv", Act(drop_at=30))
    summary = bring(tmp_path, published, mirror_of(server))
    assert (summary.patients or "").endswith(FETCHED)
    assert (tmp_path / "ptbxl_database.csv").read_bytes() == TABLE


@pytest.mark.parametrize("way", ["release", "tarballs", "records"])
@pytest.mark.parametrize("beside", ["sidecar", "list", "nothing", "no table"])
def test_from_disk(published: Published, tmp_path: Path, way: str, beside: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    if way == "tarballs":
        for name in ("PhysioNetChallenge2020_PTB-XL.tar.gz", "PhysioNetChallenge2020_Training_PTB.tar.gz"):
            (given / name).write_bytes(published.tarballs[name])
    else:
        published.write(given)
        if way == "records":
            (given / RELEASE_LIST).unlink()
    folder = given / "ptb-xl" if beside == "list" else given
    folder.mkdir(exist_ok=True)
    if beside != "no table":
        (folder / "ptbxl_database.csv").write_bytes(TABLE)
    if beside == "sidecar":
        (folder / "ptbxl_database.csv.sha256").write_bytes(SIDECAR)
    if beside == "list":
        (folder / RELEASE_LIST).write_bytes(list_of(FILES))
    summary = bring(tmp_path / "data", published, given=given)
    assert summary.problems == ()
    if beside == "no table":
        assert "is missing: not there; without it" in missing_in(summary.notes)
        return
    assert (summary.patients or "").endswith(UNPROVEN if beside == "nothing" else FETCHED)
    assert (tmp_path / "data" / "ptbxl_database.csv").read_bytes() == TABLE
    again = bring(tmp_path / "data", published, given=given, verify=True)
    assert (again.patients or "").endswith(UNPROVEN if beside == "nothing" else PROVEN)


def test_records_that_came_from_disk_need_no_network(published: Published, tmp_path: Path) -> None:
    """Whoever took records with --from may have none; a later `--verify` is no failure for want of the table."""
    given = published.write(tmp_path / "given")
    (given / RELEASE_LIST).unlink()
    bring(tmp_path / "data", published, given=given)
    with Server({}) as server:
        table = replace(PTBXL_TABLE, hosts=(server.url,))
        summary = bring(tmp_path / "data", published, table=table, verify=True)
    assert summary.problems == ()
    assert "SHA256SUMS.txt could not be had" in missing_in(summary.notes)


def test_a_store_of_what_was_downloaded_knows_its_patients(
    server: Server, published: Published, tmp_path: Path
) -> None:
    """From the hosts to the split: two records a patient, and none on both sides."""
    names = sorted(Path(path).stem for path in published.of("ptb-xl") if path.endswith(".hea"))
    rows = [f"{int(name[2:])},{number // 2}.0\n" for number, name in enumerate(names)]
    files = {"ptbxl_database.csv": "".join(["ecg_id,patient_id\n", *rows]).encode()}
    server.files |= {f"ptb-xl/1.0.3/{name}": body for name, body in (files | {RELEASE_LIST: list_of(files)}).items()}
    assert bring(tmp_path / "data", published, mirror_of(server)).problems == ()
    built = build_cache([tmp_path / "data"], tmp_path / "ecg.zarr", StoreConfig())
    assert built.tables == (tmp_path / "data" / "ptbxl_database.csv",)
    assert (built.n_known, built.n_untold) == (len(names), 0)
    store = Store(tmp_path / "ecg.zarr")
    groups = store.column("record/group")[[store.index_of(name) for name in names]]
    assert len(set(groups)) == -(-len(names) // 2)
    valid = split_by_group(groups, seed=1, valid_split=0.4)
    assert not set(groups[valid]) & set(groups[~valid])


def test_a_damaged_copy_on_disk_is_not_taken(published: Published, tmp_path: Path) -> None:
    given = published.write(tmp_path / "given")
    (given / "ptbxl_database.csv").write_bytes(TABLE + b"x")
    (given / "ptbxl_database.csv.sha256").write_bytes(SIDECAR)
    summary = bring(tmp_path / "data", published, given=given)
    assert "sha256" in missing_in(summary.notes)
    assert not (tmp_path / "data" / "ptbxl_database.csv").exists()


def test_places_of_a_mirror() -> None:
    places = places_of_mirrors(PTBXL_TABLE, ["http://a/x", "http://b/challenge-2020/1.0.2/"], FAST, CHALLENGE_RELEASE)
    assert [place.list_name for place in places] == ["ptbxl_database.csv.sha256", RELEASE_LIST, None]
    assert [host.url for host in places[0].fetcher.hosts.hosts] == ["http://a/x", "http://b/challenge-2020/1.0.2/"]
    assert [host.url for host in places[1].fetcher.hosts.hosts] == ["http://b/ptb-xl/1.0.3"]
