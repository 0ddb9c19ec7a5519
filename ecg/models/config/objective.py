"""How what is hidden in pretraining is configured; the drawing is `ecg.models.networks.masks`."""

from collections.abc import Mapping
from dataclasses import dataclass

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.option_names import MASKS

MASKING_OPTIONS = frozenset({"mask", "num_masked_samples", "perc_masked_samp"})

OPTIONS_OF: Mapping[str, frozenset[str]] = {
    **{name: frozenset({"transformer", "transformerxl"}) for name in MASKING_OPTIONS},
    **{name: frozenset({"mae"}) for name in ("hidden_leads", "hidden_share", "hidden_span")},
    "negatives": frozenset({"cpc"}),
}
"""Which nets an option means something to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig(Config):
    """What is hidden, and what is compared with; names and defaults are the reference system's where it has them.

    Attributes
    ----------
    mask : of the masking objective. "attention", as the reference system: each token may not look at some others,
        the input stays whole and every sample counts. "input": some tokens are zero in the input, and theirs are the
        samples that count, so that unseen signal has to be predicted. "both": both, and the hidden samples count
    num_masked_samples : tokens on end that are masked together
    perc_masked_samp : share of the tokens to mask
    hidden_leads : leads that mae hides whole
    hidden_share, hidden_span : share of the time that mae hides in all leads, in spans of so many patches
    negatives : latents that cpc tells the true one from; half of them from the same window
    """

    mask: str = "both"
    num_masked_samples: int = 8
    perc_masked_samp: float = 0.15
    hidden_leads: int = 4
    hidden_share: float = 0.5
    hidden_span: int = 4
    negatives: int = 128

    def __post_init__(self) -> None:
        if self.mask not in MASKS:
            raise ConfigError(f"mask is {self.mask!r}; expected {', '.join(MASKS)}")
        for name, least in (("num_masked_samples", 1), ("hidden_leads", 0), ("hidden_span", 1), ("negatives", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least {least}")
        for name in ("perc_masked_samp", "hidden_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more and below 1")
