import pytest

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import StoreError
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.describe_quality import FlagCount, describe_quality
from tests.records import pulses_uv, write_record


def test_what_was_found_is_counted_by_dataset(tmp_path):
    for number in range(1, 6):
        write_record(tmp_path / "in", f"E0000{number}", pulses_uv(2000, seed=number), gain="4880/mV")
    signal = pulses_uv(2000)
    signal[7, 100:120] = -32768
    signal[8] = 5
    write_record(tmp_path / "in", "A0001", signal)
    write_record(tmp_path / "in", "A0002")
    write_record(tmp_path / "in", "A0003").with_suffix(".mat").unlink()
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(fs=500))
    found = describe_quality(tmp_path / "s.zarr")
    assert list(found) == ["cpsc", "georgia"]
    cpsc, georgia = found.values()
    assert (cpsc.n_records, cpsc.n_flagged, cpsc.n_rejected, cpsc.n_invalid, cpsc.n_clipped) == (2, 1, 1, 20, 0)
    assert cpsc.flags == (
        FlagCount(flag="invalid", n_records=1, n_leads=1, examples=("A0001",)),
        FlagCount(flag="flat", n_records=1, n_leads=1, examples=("A0001",)),
    )
    assert georgia.flags == (
        FlagCount(flag="gain_corrected", n_records=5, n_leads=60, examples=("E00001", "E00002", "E00003")),
    )
    with pytest.raises(StoreError, match="no store there"):
        describe_quality(tmp_path / "nowhere")
