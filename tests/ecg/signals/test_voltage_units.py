"""Units of voltage by all their names."""

import pytest

from ecg12.ecg.signals.voltage_units import spell_units


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (("uV", "UV", "uv ", "u V", "\xb5V", "\u03bcV", "microV", "Microvolt", "uVolts", "MDC_DIM_MICRO_VOLT"), "uV"),
        (("MicroVol", "mcV", "mkV", "\u043c\u043a\u0412", "\xe6V"), "uV"),
        (("MilliVol", "\u043c\u0412"), "mV"),
        (("mV", "MV", "mv\0\0", "millivolt", "MDC_DIM_MILLI_VOLT"), "mV"),
        (("V", "Volt", "v"), "V"),
        (("nV", "nanovolt"), "nV"),
        # some lose the letter: files with ".V" are about (mne-python #9186), and were read a million times too large
        (("", ".V", "?V", "_V", "\0V", "\ufffdV", "m", "mmHg", "0.1uV", "uV/bit", "%", "bpm"), None),
    ],
)
def test_units_are_known_by_all_their_names(texts: tuple[str, ...], unit: str | None) -> None:
    assert {text: spell_units(text) for text in texts} == dict.fromkeys(texts, unit)
