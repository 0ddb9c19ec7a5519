"""Whether amplitude matters: the same recordings predicted as they are, and much too small and too large.

Early headers of Georgia stated a gain 4.88 times the true one; a model that feels the
difference will fail on a hospital whose files state another unit or gain. `evaluate` sets the three side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg.errors import InputError
from pipeline.inputs.told import InputConfig
from pipeline.outputs import GAIN_SWEEP, write_gain_sweep
from pipeline.predict import PredictSummary, predict
from pipeline.prediction_files import check_output
from pipeline.progress import Progress, silent

GAINS = (1 / 4.88, 1.0, 4.88)
"""Georgia's early headers stated 4,880 adu/mV above samples of 1,000."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSummary:
    """What was predicted at each gain."""

    output: Path
    predictions: dict[float, PredictSummary]


def folder_of(gain: float) -> str:
    """The name of a gain's folder: gain-0.2049, gain-1, gain-4.88."""
    return f"gain-{gain:.4g}"


def sweep_gains(
    inputs: Sequence[Path],
    output: Path,
    model: Path | Sequence[Path],
    *,
    average: str | None = None,
    told: InputConfig | None = None,
    precision: str = "fp32",
    cuda: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> SweepSummary:
    """Predict at every gain of `GAINS`, each into a folder of its own below `output`.

    Parameters
    ----------
    others : see `pipeline.predict.predict`

    Raises
    ------
    InputError
        Also if `output` holds predictions or a sweep already, unless `force` allows it.
    """
    check_output(output, force=force)
    if (output / GAIN_SWEEP).exists() and not force:
        raise InputError(f"{output}: holds a gain sweep already; choose another --output, or --force to write into it")
    (output / GAIN_SWEEP).unlink(missing_ok=True)
    found = {
        gain: predict(
            inputs,
            output / folder_of(gain),
            model,
            average=average,
            gain=gain,
            told=told,
            precision=precision,
            cuda=cuda,
            force=force,
            progress=progress,
        )
        for gain in GAINS
    }
    write_gain_sweep(output, {gain: folder_of(gain) for gain in GAINS})
    return SweepSummary(output=output, predictions=found)
