"""Whether amplitude matters: the same recordings predicted as they are, and much too small and too large.

Early headers of Georgia stated a gain 4.88 times the true one; a model that feels the
difference will fail on a hospital whose files state another unit or gain. `evaluate` sets the three side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.ensemble import load_ensemble
from ecg12.pipeline.prediction.output_folder import check_output, held_output, is_interrupted
from ecg12.pipeline.prediction.predict import PredictSummary, predict
from ecg12.pipeline.runs.prediction_folders import write_gain_sweep
from ecg12.pipeline.runtime.progress import Progress, silent

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
    plugins: Sequence[str] = (),
    cuda: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> SweepSummary:
    """Predict at every gain of `GAINS`, each into a folder of its own below `output`.

    Parameters
    ----------
    others : see `pipeline.prediction.predict.predict`

    Raises
    ------
    InputError
        Also if `output` holds predictions or a sweep already, unless `force` allows it or it was interrupted.
    """
    folders = {gain: folder_of(gain) for gain in GAINS}
    with held_output(output, force=force) as held:
        if not force and not is_interrupted(output):
            for name in folders.values():  # all of them, before the first is predicted
                check_output(output / name, force=False)
        models = [model] if isinstance(model, Path) else model
        load_ensemble(models, average=average, plugins=plugins)  # or nothing is removed
        held.begin(list(folders.values()))
        found = {
            gain: predict(
                inputs,
                output / name,
                model,
                average=average,
                gain=gain,
                told=told,
                precision=precision,
                plugins=plugins,
                cuda=cuda,
                force=force,
                progress=progress,
            )
            for gain, name in folders.items()
        }
        if any(summary.n_records for summary in found.values()):
            write_gain_sweep(output, folders)
        held.finish()
    return SweepSummary(output=output, predictions=found)
