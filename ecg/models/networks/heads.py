"""From features of a window to one logit per output.

The linear head sees a window alone. The recurrent head reads a record's windows one after another and carries
its state from each to the next, so whoever calls it says where a record begins. Parameter names are those of
the reference system's checkpoints.
"""

import torch
from torch import Tensor, nn

from ecg12.ecg.models.networks.recurrent_nets import recurrent_net

State = tuple[Tensor, ...]
"""What a recurrent head remembers: (h,) or (h, c), each (layer, row, hidden)."""


class LinearHead(nn.Module):
    """(window, filters, positions) → (window, outputs), by one linear layer.

    Parameters
    ----------
    pooling : "flatten" sees each position apart, filter by filter, as the reference system does; "average" the mean
        of each filter over the positions, so that it does not matter when in a window something is seen
    """

    def __init__(self, n_filters: int, n_positions: int, n_outputs: int, *, pooling: str = "flatten") -> None:
        super().__init__()
        self.pooling = pooling
        self.lin = nn.Linear(n_filters * (n_positions if pooling == "flatten" else 1), n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, filters, positions)."""
        return self.lin(x.flatten(1) if self.pooling == "flatten" else x.mean(dim=2))


class RecurrentHead(nn.Module):
    """A recurrent net over a window's positions in time, plus a linear map of each position, then one linear layer.

    Parameters
    ----------
    kind : "rnn" (tanh), "lstm" or "gru"
    n_filters, n_positions : of the features
    n_outputs : logits
    hidden_size, n_layers : of the recurrent net

    Raises
    ------
    ConfigError
        If there is no such kind.
    """

    def __init__(
        self, kind: str, n_filters: int, n_positions: int, n_outputs: int, *, hidden_size: int = 400, n_layers: int = 1
    ) -> None:
        super().__init__()
        self.rnn = recurrent_net(kind, n_filters, hidden_size, n_layers)
        self.skip_connection = nn.Linear(n_filters, hidden_size)
        self.linear = nn.Linear(hidden_size * n_positions, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of windows that each begin (and end) a record; x: (window, filters, positions)."""
        return self.step(x, None)[0]

    def step(self, x: Tensor, state: State | None, reset: Tensor | None = None) -> tuple[Tensor, State]:
        """One window of each of several records side by side.

        Parameters
        ----------
        x : (row, filters, positions)
        state : what `step` gave for the row's window before; None if every row begins a record
        reset : bool (row,), true where the row begins a record, so that nothing of the one before reaches it

        Returns
        -------
        logits (row, outputs) and the state after the window, detached: gradients stay within a window
        """
        if state is not None and reset is not None:
            kept = ~reset[None, :, None]
            state = tuple(torch.where(kept, part, torch.zeros_like(part)) for part in state)
        over_time = x.transpose(1, 2)  # (row, position, filter)
        remembered = None if state is None else state if isinstance(self.rnn, nn.LSTM) else state[0]
        hidden, after = self.rnn(over_time, remembered)
        # hidden: (row, position, hidden), flattened position by position
        logits = self.linear((hidden + self.skip_connection(over_time)).flatten(1))
        parts = after if isinstance(after, tuple) else (after,)
        return logits, tuple(part.detach() for part in parts)

    def over_records(self, x: Tensor, record: Tensor) -> Tensor:
        """Logits of whole records' windows, every record from a zero state.

        Parameters
        ----------
        x : (window, filters, positions), the windows of a record together and in order
        record : int64 (window,): which record each is of

        Returns
        -------
        (window, outputs); work and memory grow with the number of windows, however they fall to records
        """
        _, counts = torch.unique_consecutive(record, return_counts=True)
        first = torch.cumsum(counts, 0) - counts
        # longest records first, so that those which still have a window are always the first rows
        order = torch.argsort(counts, descending=True, stable=True)
        counts, first = counts[order], first[order]
        logits = x.new_empty(len(x), self.linear.out_features)
        state: State | None = None
        for number in range(int(counts.max()) if len(counts) else 0):
            n_rows = int((counts > number).sum())
            windows = first[:n_rows] + number
            if state is not None:
                state = tuple(part[:, :n_rows].contiguous() for part in state)
            logits[windows], state = self.step(x[windows], state)
        return logits


class Mlp(nn.Module):
    """(window, features, sample) → (window, outputs): flatten, feature by feature, then three linear layers.

    The reference system's `eval_transformer`: it takes the place of ResNet and head above a pretrained stage.
    """

    def __init__(self, n_features: int, window_length: int, n_outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_features * window_length, 512)
        self.fc2 = nn.Linear(512, 256)
        self.fc3 = nn.Linear(256, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x: (window, features, sample)."""
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))
