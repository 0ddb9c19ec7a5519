"""Networks that carry something from a record's window to the next: a transformer-XL stage, a recurrent head, or both.

`step_rows` goes through records side by side, row by row, as training does. `RecordMemory` is for prediction, where a
record's windows may stand in one batch or be spread over several.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.models.networks.heads import RecurrentHead, State
from ecg12.ecg.models.networks.transformer_xl import Memory, TransformerXlStage

MOST_RECORDS = 256
"""Records whose memory prediction keeps: more than a chunk of a store holds, a few hundred kilobytes each."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What rows of records carry on, detached: the stage's memory, and the state of the head."""

    memory: Memory | None = None
    state: State | None = None


def remembering_stage(network: nn.Module) -> TransformerXlStage | None:
    """The stage of a network of `ecg.models.build`, if it remembers the window before."""
    stage = network[0] if isinstance(network, nn.Sequential) else None
    return stage if isinstance(stage, TransformerXlStage) and stage.mem_len else None


def carries(network: nn.Module) -> bool:
    """Whether a network of `ecg.models.build` carries anything from a record's window to the next."""
    head = network[-1] if isinstance(network, nn.Sequential) else None
    return isinstance(head, RecurrentHead) or remembering_stage(network) is not None


def step_rows(
    network: nn.Sequential, x: Tensor, carried: Carried, *, reset: Tensor, counted: Tensor
) -> tuple[Tensor, Carried]:
    """One window of each of several records side by side.

    Parameters
    ----------
    x : (row, lead, sample)
    carried : what `step_rows` gave for the rows' windows before
    reset : bool (row,), true where the row begins a record, so that nothing of the one before reaches it
    counted : bool (row,), False where there is no window: such rows are in no batch norm's statistics

    Returns
    -------
    logits (row, output), and what is carried on
    """
    stage, head = remembering_stage(network), network[-1]
    memory = state = None
    body: nn.Module = network
    if stage is not None:
        x, memory = stage.step(x, carried.memory, reset)
        body = network[1:]
    if not isinstance(head, RecurrentHead):
        return of_counted(body, x, counted), Carried(memory)
    below = network[1:-1] if stage is not None else network[:-1]
    logits, state = head.step(of_counted(below, x, counted), carried.state, reset)
    return logits, Carried(memory, state)


def of_counted(body: nn.Module, x: Tensor, counted: Tensor) -> Tensor:
    """What a module gives for all rows, zeros where there is no window, which so is in no batch norm's statistics."""
    if bool(counted.all()):
        return body(x)
    found = body(x[counted])
    return found.new_zeros(len(x), *found.shape[1:]).index_put((counted,), found)


class RecordMemory:
    """What a stage remembers of each record, while all its windows come by in order.

    A record's windows may come in one batch or in several, among those of others. Of the records that are not in a
    batch the last `MOST_RECORDS` are remembered: the windows of a record that goes on lie near each other in a store.
    """

    def __init__(self, stage: TransformerXlStage) -> None:
        self.stage = stage
        self._last: dict[int, tuple[int, Tensor]] = {}

    def run(self, x: Tensor, record: Tensor, number: Tensor, pieces: int) -> Iterator[tuple[Tensor, Tensor]]:
        """What the stage gives for a batch's windows, so many at a time.

        Parameters
        ----------
        x : (window, lead, sample)
        record, number : int64 (window,): whose window each is, and which of them
        pieces : windows to go through the stage at once

        Yields
        ------
        places of windows in the batch, int64 (n,), and the stage's output for them; each window once
        """
        records, numbers = record.tolist(), number.tolist()
        for wave in _waves(records, numbers):
            for first in range(0, len(wave), pieces):
                places = wave[first : first + pieces]
                found, after = self.stage.step(x[places], *self._recall(places, records, numbers, x.device))
                for row, place in enumerate(places):
                    own = after[0].shape[2] - int(after[1][row])
                    self._last.pop(records[place], None)  # the latest stand at the end
                    self._last[records[place]] = numbers[place], after[0][:, row, own:]
                yield torch.tensor(places, device=x.device), found
        for one in list(self._last)[: -max(MOST_RECORDS, len(set(records)))]:
            del self._last[one]

    def _recall(
        self, places: list[int], records: list[int], numbers: list[int], device: torch.device
    ) -> tuple[Memory | None, Tensor | None]:
        """The memory of these windows' records, and which of them begin."""
        begins = [numbers[place] == 0 for place in places]
        if all(begins):
            return None, None
        # each: (layer, token, feature), of a record that begins without tokens
        last = [
            (-1, self._nothing()) if new else self._last[records[place]]
            for new, place in zip(begins, places, strict=True)
        ]
        assert all(one[0] == numbers[place] - 1 for one, place in zip(last, places, strict=True))
        known = [one[1].shape[1] for one in last]
        hidden = [functional.pad(one[1], (0, 0, max(known) - n, 0)) for one, n in zip(last, known, strict=True)]
        reset = torch.tensor(begins, device=device)
        return (torch.stack(hidden, dim=1), torch.tensor(known, device=device)), reset

    def _nothing(self) -> Tensor:
        one = next(iter(self._last.values()))[1]
        return one.new_zeros(one.shape[0], 0, one.shape[2])


def _waves(records: list[int], numbers: list[int]) -> list[list[int]]:
    """Places of each record's first window here, of each record's second, and so on."""
    waves: list[list[int]] = []
    seen: dict[int, int] = {}
    for place in sorted(range(len(records)), key=lambda place: (records[place], numbers[place])):
        depth = seen.get(records[place], 0)
        seen[records[place]] = depth + 1
        if depth == len(waves):
            waves.append([])
        waves[depth].append(place)
    return waves
