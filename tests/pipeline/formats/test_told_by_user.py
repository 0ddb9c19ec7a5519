"""What units are called, and who is believed about them."""

import pytest

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.formats.told_by_user import InputConfig, require_units, weigh_units

NOTHING = InputConfig()


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
