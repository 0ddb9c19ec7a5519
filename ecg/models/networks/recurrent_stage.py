"""The recurrent stage: a recurrent net over a window's samples and a linear layer at each of them.

Pretraining and classification use the same module with different numbers of outputs: leads × steps ahead
there, the features that the ResNet sees here. Each window starts from a zero state.
"""

from torch import Tensor, nn

from ecg12.ecg.models.networks.half_precision_stage import HalfStage, in_half
from ecg12.ecg.models.networks.recurrent_nets import recurrent_net


class RnnStage(HalfStage, nn.Module):
    """(window, lead, sample) → (window, output, sample).

    Parameters
    ----------
    kind : "rnn" (tanh), "lstm" or "gru"
    n_leads : channels of the input
    n_outputs : channels of the output; None leaves the last layer out, and it gives its `features`
    hidden_size, n_layers : of the recurrent net
    dropout : between its layers
    """

    def __init__(
        self, kind: str, *, n_leads: int, n_outputs: int | None, hidden_size: int, n_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.n_outputs, self.n_features = n_outputs, hidden_size
        self.rnn = recurrent_net(kind, n_leads, hidden_size, n_layers, dropout)
        if n_outputs is not None:
            self.linear = nn.Linear(hidden_size, n_outputs)

    @in_half
    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample)."""
        hidden, _ = self.rnn(x.transpose(1, 2))
        return (hidden if self.n_outputs is None else self.linear(hidden)).transpose(1, 2)

    def features(self, x: Tensor) -> Tensor:
        """(window, lead, sample) → (window, hidden, sample)."""
        return self.rnn(x.transpose(1, 2))[0].transpose(1, 2)

    def blocks(self) -> list[nn.Module]:
        """Its parts from the input up: one, for a recurrent net's layers are one module."""
        return [self.rnn]
