"""What units are called, and who is believed about them."""

import pytest

from ecg.errors import SignalError
from pipeline.inputs.told import InputConfig, require_units, spell_units, weigh_units

NOTHING = InputConfig()


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


def test_told_units_win_and_that_is_said() -> None:
    told = InputConfig(units="mV")
    assert weigh_units("uV", NOTHING, "x") == (1.0, None)
    assert weigh_units("uV", told, "x") == (1000.0, "units taken as mV, as told; the file states 'uV'")
    micro = InputConfig(units="\xb5V")
    assert weigh_units("?V", micro, "x") == (1.0, "units taken as uV, as told; the file states '?V'")
    # nothing to say where both are the same, or the file says nothing
    assert weigh_units("MilliVolt", told, "x") == weigh_units(None, told, "x") == weigh_units(" ", told, "x")
    assert weigh_units(None, told, "x") == (1000.0, None)
    assert require_units("nV", NOTHING, "x") == 1e-3


def test_units_that_nobody_understands_are_refused() -> None:
    with pytest.raises(SignalError, match="x: states no units; tell them with --units mV, uV or V"):
        require_units("\0\0", NOTHING, "x")
    with pytest.raises(SignalError, match=r"x: units '\.V' not understood; .*, which --units can tell"):
        require_units(".V", NOTHING, "x")
