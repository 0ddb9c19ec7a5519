"""What is done to a record before its network sees it, as part of a network: in millivolts, with gaps as NaN.

Training and prediction do the same in another way: they know how long each record is and take its amplitude once, when
it is read (`ecg.signals.quality.compute_scale`, `ecg.models.normalise`). A model that travels alone has nothing but
samples.
"""

import torch
from torch import Tensor

from ecg12.ecg.models.normalise import SMALLEST_SCALE_UV
from ecg12.ecg.patient_features import OLDEST

SMALLEST_SCALE_MV = SMALLEST_SCALE_UV / 1000


def split_recorded(signal: Tensor) -> tuple[Tensor, Tensor]:
    """Samples with zeros for what is missing, and which of them were recorded.

    Parameters
    ----------
    signal : float32 (window, lead, sample); NaN in all leads where nothing was recorded. A lead that is missing
        alone is zero, as `predict --missing-leads zero` has it.

    Returns
    -------
    float32 of the same shape, and bool (window, sample)
    """
    has_value = ~torch.isnan(signal)
    return torch.where(has_value, signal, 0.0), has_value.any(dim=1)


def compute_amplitude(signal: Tensor, recorded: Tensor) -> Tensor:
    """`ecg.signals.quality.compute_scale` of each record: root mean square of its samples' middle 98 %, less medians.

    Parameters
    ----------
    signal : float32 (record, lead, sample), 0 where nothing was recorded
    recorded : bool (record, sample)

    Returns
    -------
    float32 (record,), in the signal's unit
    """
    n_leads, n_samples = signal.shape[1:]
    n = recorded.sum(dim=1)  # samples of a lead
    beyond = torch.tensor(torch.inf)
    ascending = torch.where(recorded[:, None], signal, beyond).sort(dim=2).values
    places = torch.stack([(n - 1).clamp(min=0) // 2, (n // 2).clamp(max=n_samples - 1)], dim=1)
    middles = ascending.gather(2, places[:, None].expand(-1, n_leads, -1))
    centred = torch.where(recorded[:, None], signal - middles.mean(dim=2, keepdim=True), beyond)
    ascending = centred.flatten(1).sort(dim=1).values.double()
    last = (n * n_leads - 1).clamp(min=0).double()
    low, high = (0.01 * last).floor()[:, None], (0.99 * last).ceil()[:, None]
    rank = torch.arange(n_leads * n_samples, dtype=torch.float64)
    energy = torch.where((rank >= low) & (rank <= high), ascending * ascending, 0.0).sum(dim=1)
    return (energy / (high - low + 1)[:, 0]).sqrt().float()


def normalise(signal: Tensor, recorded: Tensor, scale: Tensor) -> Tensor:
    """Network input: each lead's mean over what was recorded taken off, divided by the record's amplitude.

    Parameters
    ----------
    signal : float32 (window, lead, sample), 0 where nothing was recorded
    recorded : bool (window, sample)
    scale : float32 (window,), or (1,) for all, in the signal's unit, mV
    """
    n = recorded.sum(dim=1).clamp(min=1)[:, None, None]
    mean = signal.sum(dim=2, keepdim=True) / n
    return (signal - mean) / scale.clamp(min=SMALLEST_SCALE_MV)[:, None, None] * recorded[:, None]


def patient_channels(age: Tensor, sex: Tensor) -> Tensor:
    """`ecg.patient_features.make_patient_features` of patients: float32 (patient, 4).

    Parameters
    ----------
    age : float32 (patient,), years; NaN or below 0 where it is not known
    sex : float32 (patient,), 0 female, 1 male; NaN or below 0 where it is not known
    """
    known_age, known_sex = age >= 0, sex >= 0  # NaN is not
    scaled = torch.where(known_age, age, 0.0).clamp(max=OLDEST) / (OLDEST / 2) - 1
    columns = (
        torch.where(known_age, scaled, 0.0),
        known_age.float(),
        torch.where(known_sex, 2 * sex - 1, 0.0),
        known_sex.float(),
    )
    return torch.stack(columns, dim=1)
