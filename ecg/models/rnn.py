"""The recurrent stage: a recurrent net over a window's samples and a linear layer at each of them.

Pretraining and classification use the same module with different numbers of outputs: leads × steps ahead
there, the features that the ResNet sees here. Each window starts from a zero state.
"""

from torch import Tensor, nn

from ecg.models.heads import recurrent_net


class RnnStage(nn.Module):
    """(window, lead, sample) → (window, output, sample).

    Parameters
    ----------
    kind : "rnn" (tanh), "lstm" or "gru"
    n_leads : channels of the input
    n_outputs : channels of the output
    hidden_size, n_layers : of the recurrent net
    dropout : between its layers
    """

    def __init__(
        self, kind: str, *, n_leads: int, n_outputs: int, hidden_size: int, n_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.rnn = recurrent_net(kind, n_leads, hidden_size, n_layers, dropout)
        self.linear = nn.Linear(hidden_size, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, lead, sample)."""
        hidden, _ = self.rnn(x.transpose(1, 2))
        return self.linear(hidden).transpose(1, 2)
