"""Microvolts to network input: millivolts, or free of gain and offset; padding stays zero."""

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.option_names import NORMALISATIONS
from ecg12.ecg.models.normalise import to_network_input

LENGTH = 256


def make_batch(dtype: torch.dtype = torch.float32, gain: float = 1.0) -> dict[str, torch.Tensor]:
    """Four windows of twelve leads: whole, short at the end, centred, one sample; zero where nothing was recorded."""
    generator = torch.Generator().manual_seed(0)
    valid, pad = torch.tensor([LENGTH, 200, 101, 1]), torch.tensor([0, 0, 77, 128])
    signal = torch.randint(-3000, 3000, (4, 12, LENGTH), generator=generator).float() + 500
    signal *= recorded(valid, pad)
    return {
        "signal_uv": (signal * gain).to(dtype),
        "valid": valid,
        "pad": pad,
        "scale_uv": torch.tensor([300.0, 250.0, 410.5, 1234.0]) * gain,
    }


def recorded(valid: torch.Tensor, pad: torch.Tensor) -> torch.Tensor:
    """(window, 1, sample): whether a sample was recorded; window by window."""
    mask = torch.zeros(len(valid), 1, LENGTH, dtype=torch.bool)
    for window in range(len(valid)):
        mask[window, :, pad[window] : pad[window] + valid[window]] = True
    return mask


class TestNone:
    def test_is_millivolts(self):
        batch = make_batch()
        torch.testing.assert_close(
            to_network_input(**batch, normalisation="none"), batch["signal_uv"] / 1000, rtol=0, atol=0
        )

    def test_takes_no_notice_of_scale_and_padding(self):
        batch = make_batch()
        other = batch | {"scale_uv": torch.zeros(4), "valid": torch.ones(4, dtype=torch.int64)}
        assert torch.equal(
            to_network_input(**batch, normalisation="none"), to_network_input(**other, normalisation="none")
        )


class TestRecord:
    def test_is_the_signal_less_its_mean_over_the_scale(self):
        batch = make_batch()
        result = to_network_input(**batch, normalisation="record")
        for window in range(4):
            first = int(batch["pad"][window])
            last = first + int(batch["valid"][window])
            for lead in range(12):
                samples = batch["signal_uv"][window, lead, first:last].double()
                expected = (samples - samples.mean()) / batch["scale_uv"][window].double()
                torch.testing.assert_close(result[window, lead, first:last].double(), expected, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("gain", [4.88, 1 / 4.88, 0.2, 1000.0])
    def test_is_independent_of_the_gain(self, gain):
        result = to_network_input(**make_batch(), normalisation="record")
        amplified = to_network_input(**make_batch(gain=gain), normalisation="record")
        torch.testing.assert_close(amplified, result, rtol=1e-5, atol=1e-5)

    def test_is_independent_of_each_leads_offset(self):
        batch = make_batch()
        offset = torch.linspace(-9000, 9000, 12)[None, :, None]
        shifted = batch["signal_uv"] + offset * recorded(batch["valid"], batch["pad"])
        result = to_network_input(**batch, normalisation="record")
        moved = to_network_input(**(batch | {"signal_uv": shifted}), normalisation="record")
        torch.testing.assert_close(moved, result, rtol=0, atol=1e-4)

    def test_the_mean_of_what_was_recorded_is_zero(self):
        batch = make_batch()
        sums = to_network_input(**batch, normalisation="record").double().sum(dim=2)
        torch.testing.assert_close(sums / batch["valid"][:, None], torch.zeros(4, 12).double(), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
    def test_padding_stays_exactly_zero(self, dtype):
        batch = make_batch(dtype)
        result = to_network_input(**batch, normalisation="record")
        padding = ~recorded(batch["valid"], batch["pad"]).expand_as(result)
        assert padding.sum() == 12 * (56 + 155 + 255)
        assert (result[padding] == 0).all()
        assert (result[~padding] != 0).any()

    @pytest.mark.parametrize("level", [0.0, 700.0, -32767.0])
    @pytest.mark.parametrize("scale", [0.0, 300.0])
    def test_a_flat_lead_is_zero_and_finite(self, level, scale):
        batch = make_batch()
        batch["signal_uv"] = torch.full((4, 12, LENGTH), level) * recorded(batch["valid"], batch["pad"])
        batch["scale_uv"] = torch.full((4,), scale)
        result = to_network_input(**batch, normalisation="record")
        assert torch.isfinite(result).all()
        assert result.abs().max() < 0.01

    def test_the_window_of_another_record_does_not_matter(self):
        batch = make_batch()
        together = to_network_input(**batch, normalisation="record")
        alone = to_network_input(**{key: values[1:2] for key, values in batch.items()}, normalisation="record")
        assert torch.equal(together[1:2], alone)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_int16_and_float32_agree_bit_for_bit(normalisation):
    stored, as_float = make_batch(torch.int16), make_batch(torch.float32)
    result = to_network_input(**stored, normalisation=normalisation)
    assert result.dtype == torch.float32
    assert torch.equal(result, to_network_input(**as_float, normalisation=normalisation))


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_the_batch_stays_as_it_is(normalisation):
    batch = make_batch()
    before = {key: values.clone() for key, values in batch.items()}
    to_network_input(**batch, normalisation=normalisation)
    assert all(torch.equal(batch[key], before[key]) for key in batch)


@pytest.mark.parametrize("normalisation", ["", "lead", "Record"])
def test_an_unknown_normalisation_is_an_error(normalisation):
    with pytest.raises(ConfigError, match=rf"^normalisation is '{normalisation}'; expected record or none$"):
        to_network_input(**make_batch(), normalisation=normalisation)
