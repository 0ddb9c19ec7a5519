"""Memory that is used again, and never while a batch is still looked at."""

import gc

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.loading import residency
from ecg12.pipeline.loading.residency import choose_residency
from ecg12.pipeline.loading.reused_memory import WindowMemory

CPU = torch.device("cpu")


def test_memory_comes_back_when_nobody_looks() -> None:
    memory = WindowMemory(4, (2, 8), pinned=False)
    first = memory.take(4)
    place = first.data_ptr()
    assert memory.take(3).shape == (3, 2, 8)
    del first
    gc.collect()
    kept = [memory.take(4) for _ in range(2)]
    assert place in {tensor.data_ptr() for tensor in kept}


@pytest.mark.parametrize(
    "keep",
    [
        lambda tensor: tensor[1:3],
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.numpy()[2:, 0],
        lambda tensor: tensor.view(torch.uint8),
        lambda tensor: tensor.detach().transpose(1, 2),
        lambda tensor: iter(tensor),
    ],
    ids=["slice", "array", "slice of the array", "other type", "transposed", "iterator"],
)
def test_memory_stays_while_any_part_is_held(keep) -> None:
    memory = WindowMemory(4, (2, 8), pinned=False)
    tensor = memory.take(4)
    tensor.fill_(7)
    place = tensor.data_ptr()
    part = keep(tensor)
    del tensor
    gc.collect()
    others = [memory.take(4).fill_(1) for _ in range(3)]
    assert place not in {other.data_ptr() for other in others}
    del part
    gc.collect()
    assert memory.take(4).data_ptr() == place


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pinned_memory_is_pinned() -> None:
    assert WindowMemory(4, (2, 8), pinned=True).take(3).is_pinned()


def test_auto_takes_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "available_bytes", lambda: 1000)
    assert choose_residency("auto", 500, CPU) == "memory"
    assert choose_residency("auto", 501, CPU) == "stream"
    assert choose_residency("device", 10**12, CPU) == "device"
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4000, 8000))
    assert choose_residency("auto", 2000, cuda) == "device"
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 8000))
    assert choose_residency("auto", 500, cuda) == "memory"
    with pytest.raises(ConfigError, match="residency is 'ram'; expected auto, stream, memory, device"):
        choose_residency("ram", 1, CPU)
