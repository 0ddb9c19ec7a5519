"""The table: shapes of what nobody can check here, and equality with what was given."""

import csv
import re
from pathlib import Path

from ecg12.ecg.datasets import DATASETS
from ecg12.pipeline.download.sources import RELEASE_HOSTS, SOURCES, TARBALL_HOSTS, WEIGHT_SETS, WEIGHTS


def test_every_dataset_has_one_source() -> None:
    assert [source.dataset for source in SOURCES] == list(DATASETS)
    assert sum(source.dataset.n_records for source in SOURCES) == 43_101
    assert 7.7 < sum(source.size_bytes for source in SOURCES) / 1024**3 < 7.9
    assert len({source.tarball for source in SOURCES} | {source.release_path for source in SOURCES}) == 12


def test_digests_look_like_md5_and_are_all_different_ones() -> None:
    digests = {source.md5_first for source in SOURCES} | {source.md5_last for source in SOURCES}
    assert all(re.fullmatch(r"[0-9a-f]{32}", digest) for digest in digests)
    assert len(digests) == 10
    assert [source.dataset.name for source in SOURCES if source.md5_first == source.md5_last] == ["cpsc", "cpsc-extra"]


def test_hosts_are_asked_over_tls() -> None:
    addresses = [*RELEASE_HOSTS, *TARBALL_HOSTS, *(row.url for row in WEIGHTS)]
    assert all(address.startswith("https://") for address in addresses)


def test_the_weights_are_the_published_ones(shared: Path) -> None:
    with (shared / "data" / "published_weights.csv").open() as file:
        rows = [(row["folder"], row["file"], row["url"]) for row in csv.DictReader(file)]
    assert [(row.folder, row.file, row.url) for row in WEIGHTS] == rows
    assert {row.folder.split("/")[0] for row in WEIGHTS} == set(WEIGHT_SETS)
