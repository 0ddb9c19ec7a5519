"""What to explain of predictions, and how finely; apart from the work, which brings matplotlib with it."""

from dataclasses import dataclass

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError

POSITIVE, TOP = "positive", "top"
FORMS = ("png", "svg", "pdf", "none")
MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainConfig(Config):
    """How predictions are explained.

    Attributes
    ----------
    classes : which scores: "positive" for those that the model decided for, "top" for the highest, or codes, names
        or abbreviations
    n_steps : of the integral, see `ecg.models.attribution`; up to four times as many are taken where shares do not
        add up to the score
    max_windows : of a record, those with the highest scores; the others are left as they are
    most_classes : of a record, where "positive" are more
    form : of the pictures: png, svg, pdf, or none for none
    dpi : of a png
    """

    classes: tuple[str, ...] = (POSITIVE,)
    n_steps: int = 24
    max_windows: int = 8
    most_classes: int = 6
    form: str = "png"
    dpi: float = 150.0

    def __post_init__(self) -> None:
        if not self.classes:
            raise ConfigError("explain: no classes; expected positive, top, or codes, names or abbreviations")
        if len(self.classes) > 1 and {POSITIVE, TOP} & set(self.classes):
            raise ConfigError(f"explain: {', '.join(self.classes)}; expected positive or top alone, or classes")
        if not 1 <= self.n_steps <= MOST_STEPS:
            raise ConfigError(f"n_steps is {self.n_steps}; expected 1 to {MOST_STEPS:,}")
        for name in ("max_windows", "most_classes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.form not in FORMS:
            raise ConfigError(f"form is {self.form!r}; expected {', '.join(FORMS)}")
        if not 20 <= self.dpi <= 2400:
            raise ConfigError(f"dpi is {self.dpi:g}; expected 20 to 2,400")
