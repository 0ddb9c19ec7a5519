"""The store of the 486 real records against what other programs read from the same files."""

import subprocess

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.verify import verify_store

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def store(real_store):
    return Store(real_store)


def stated_codes(text):
    """The codes of a header's Dx line without repeats, as anybody would read them."""
    (line,) = (line for line in text.splitlines() if line.replace(" ", "").startswith("#Dx:"))
    return {code.strip() for code in line.partition(":")[2].split(",")} - {""}


def test_all_real_records_are_taken_and_whole(real_store, store):
    assert store.n_records == 486
    assert store.attributes["rejects"] == []
    assert verify_store(real_store, workers=2) == ()


def test_labels_are_those_of_the_headers(shared, store):
    headers = {path.stem: path.read_text() for path in (shared / "data" / "challenge2020").rglob("*.hea")}
    codes = {name: stated_codes(text) for name, text in headers.items()}
    counts = dict(zip(store.column("label/code"), store.column("label/matrix").sum(axis=0).tolist(), strict=True))
    every = sorted({code for record in codes.values() for code in record})
    assert counts == {code: sum(code in record for record in codes.values()) for code in every}
    for row, name in enumerate(store.names):
        assert set(store.dx_codes(row)) == codes[name]
        assert store.column("label/annotated")[row] == bool(codes[name])
    assert (~store.column("label/annotated")).sum() == 5


def test_real_samples_are_exact_to_half_a_microvolt(shared, store):
    """Against the samples wfdb or, where it refuses the header, scipy reads, resampled in float64."""
    import wfdb
    from scipy.io import loadmat
    from scipy.signal import resample_poly

    headers = {path.stem: path for path in (shared / "data" / "challenge2020").rglob("*.hea")}
    refused = []
    for row, name in enumerate(store.names):
        path = headers[name]
        if ".mat 12" in path.read_text():
            refused.append(name)
            microvolts = loadmat(path.with_suffix(".mat"))["val"]
        else:
            microvolts = wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal.T
        up, down = {500: (4, 5), 1000: (2, 5)}[int(store.column("record/fs_source")[row])]
        expected = resample_poly(microvolts.astype(np.float64), up, down, axis=1)
        found = store.read_record(row) + store.column("record/offset")[row][:, None].astype(np.float64)
        assert np.abs(found - expected).max() <= 0.51, name
    assert all(name.startswith("E") for name in refused)


def test_real_duplicates_share_a_group_and_patients_too(shared, store):
    groups = dict(zip(store.names, store.column("record/group"), strict=True))
    for one, other in [("Q0048", "A0101"), ("E07509", "E07510"), ("HR00137", "HR00138"), ("HR00143", "HR00144")]:
        assert groups[one] == groups[other]
    lines = (shared / "data" / "challenge2020" / "ptbxl_patients.csv").read_text().splitlines()[1:]
    patients = dict(line.split(",")[:2] for line in lines)
    for one in patients:
        for other in patients:
            if patients[one] == patients[other]:
                assert groups[one] == groups[other]


def test_real_digests_are_those_of_the_mat_files(shared, store):
    import hashlib

    for row, name in enumerate(store.names):
        (path,) = (shared / "data" / "challenge2020").glob(f"*/{name}.mat")
        assert store.column("record/digest")[row] == hashlib.sha256(path.read_bytes()[24:]).hexdigest()
    found = subprocess.run(
        f"tail -c +25 '{path}' | sha256sum", shell=True, check=True, capture_output=True, text=True
    ).stdout.split()[0]
    assert store.column("record/digest")[-1] == found


def test_wrong_gains_among_the_real_records_are_flagged(shared, store):
    stated = {
        path.stem for path in (shared / "data" / "challenge2020").rglob("*.hea")
        if not path.read_text().splitlines()[1].split()[2].startswith(("1000/", "1000.0(0)/"))
    }  # fmt: skip
    corrected = (store.column("record/lead_flags")[:, 0] & 64) != 0
    assert set(store.names[corrected]) == stated
    assert sum(name.startswith("E") for name in stated) == 4


def test_other_programs_open_the_real_store(real_store, store):
    """With zarr alone and with xarray; pytest turns every warning into an error."""
    import xarray
    import zarr

    root = zarr.open_group(real_store, mode="r")
    tree = xarray.open_datatree(real_store, engine="zarr", consolidated=False)
    row = store.index_of("HR00001")
    columns = slice(store.starts[row], store.starts[row] + store.lengths[row])
    assert np.array_equal(root["signal"][:, columns], store.read_record(row))
    assert np.array_equal(tree["signal"][:, columns].values, store.read_record(row))
    assert tree["record"]["name"].values.tolist() == store.names.tolist()
    assert root.attrs["n_records"] == tree.attrs["n_records"] == 486
