"""Addresses of files, and what a host's failures lead to."""

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.http.hosts import Host, make_hosts, public_url


@pytest.mark.parametrize(
    ("url", "path", "address"),
    [
        ("https://a.org/x", "training/cpsc_2018/g1/A0001.mat", "https://a.org/x/training/cpsc_2018/g1/A0001.mat"),
        ("https://a.org/x/", "a b#c?.tar", "https://a.org/x/a%20b%23c%3F.tar"),
        ("https://a.org/get/{path}/", "PTB-XL.tar.gz", "https://a.org/get/PTB-XL.tar.gz/"),
        ("https://a.org/?file={path}", "x/y", "https://a.org/?file=x/y"),
        ("https://a.org", "https://b.org/z?dl=1", "https://b.org/z?dl=1"),
    ],
)
def test_the_address_of_a_file(url: str, path: str, address: str) -> None:
    assert Host(url=url).url_of(path) == address


@pytest.mark.parametrize(
    "url", ["ftp://a.org", "a.org/x", "/data", "http://", "http://[::1", "http://a:99999", "http://a b/", ""]
)
def test_a_mirror_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"not an address; expected http://… or https://… \(files on disk are taken"):
        make_hosts(("https://a.org", url))


def test_passwords_are_never_shown() -> None:
    assert public_url("https://me:secret@a.org:8443/x?token=y") == "https://a.org:8443/x"
    assert Host(url="https://me:secret@a.org/x").name == "https://a.org/x"


def test_a_paused_host_is_waited_for() -> None:
    host = Host(url="https://a.org")
    assert host.wait_s() == 0
    host.pause(60)
    host.pause(1)
    assert 59 < host.wait_s() <= 60
