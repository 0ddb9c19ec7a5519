"""The table: shapes of what nobody can check here, and equality with what was given."""

import csv
import re
from pathlib import Path

from ecg12.ecg.datasets import DATASETS, KNOWN_DATASETS
from ecg12.pipeline.download.sources import (
    CHALLENGE_RELEASE,
    RELEASES,
    SOURCES,
    TARBALL_HOSTS,
    WEIGHT_SETS,
    WEIGHTS,
    hosts_of,
)


def test_every_dataset_has_one_source() -> None:
    assert [source.dataset for source in SOURCES] == list(DATASETS)
    assert sum(source.dataset.n_records for source in SOURCES) == 43_101
    assert 7.7 < sum(source.size_bytes for source in SOURCES) / 1024**3 < 7.9
    assert len({source.tarball for source in SOURCES} | {source.release_path for source in SOURCES}) == 12


def test_releases_are_whole() -> None:
    of_2020, of_2021, ptbxl = RELEASES.values()
    assert of_2020.sources == SOURCES
    assert of_2020.hosts == hosts_of(CHALLENGE_RELEASE)
    assert [source.dataset for source in of_2021.sources] == list(KNOWN_DATASETS)
    assert sum(source.dataset.n_records for source in of_2021.sources) == 88_253
    assert [source.release_path for source in of_2021.sources[:6]] == [source.release_path for source in SOURCES]
    assert not of_2021.has_tarballs
    assert {name: release.default for name, release in RELEASES.items()} == {
        "challenge-2020": of_2020.names,
        "challenge-2021": of_2021.names,
        "ptb-xl": ("records500",),
    }
    assert [source.dataset.n_records for source in ptbxl.sources] == [21_799, 21_799]
    for release in RELEASES.values():
        paths = [source.release_path for source in release.sources]
        assert len(set(paths)) == len(paths)
        assert all(name.startswith(tuple(f"{path}/" for path in paths)) for name in release.unserved)


def test_sizes_that_are_told_in_the_help() -> None:
    """JS records have 24 + 12 x 5,000 x 2 bytes, PTB-XL's 12 x 5,000 x 2 and 12 x 1,000 x 2; each has a header."""
    sizes = {
        name: [sum(source.size_bytes for source in release.sources if source.dataset.name in release.default)]
        for name, release in RELEASES.items()
    }
    assert {name: round(size / 1e9, 1) for name, (size,) in sizes.items()} == {
        "challenge-2020": 8.4,
        "challenge-2021": 14.1,
        "ptb-xl": 2.8,
    }
    assert round(RELEASES["ptb-xl"].sources[1].size_bytes / 1e9, 1) == 0.6


def test_digests_look_like_md5_and_are_all_different_ones() -> None:
    digests = {source.md5_first for source in SOURCES} | {source.md5_last for source in SOURCES}
    assert all(re.fullmatch(r"[0-9a-f]{32}", digest) for digest in digests)
    assert len(digests) == 10
    assert [source.dataset.name for source in SOURCES if source.md5_first == source.md5_last] == ["cpsc", "cpsc-extra"]


def test_hosts_are_asked_over_tls() -> None:
    addresses = [
        *(host for release in RELEASES.values() for host in release.hosts),
        *TARBALL_HOSTS,
        *(row.url for row in WEIGHTS),
    ]
    assert all(address.startswith("https://") for address in addresses)


def test_the_weights_are_the_published_ones(shared: Path) -> None:
    with (shared / "data" / "published_weights.csv").open() as file:
        rows = [(row["folder"], row["file"], row["url"]) for row in csv.DictReader(file)]
    assert [(row.folder, row.file, row.url) for row in WEIGHTS] == rows
    assert {row.folder.split("/")[0] for row in WEIGHTS} == set(WEIGHT_SETS)
