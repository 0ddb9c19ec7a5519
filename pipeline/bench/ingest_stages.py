"""Where the time of converting a record goes: the ingest's own functions, one after another, with a clock between."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from ecg12.cache.checksum import chunk_digest
from ecg12.cache.compression import encode_signal
from ecg12.cache.schema import StoreConfig
from ecg12.cache.writing.writer import create_store, write_chunk
from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.signals.adc import to_digital
from ecg12.ecg.signals.cleaning import clean_samples
from ecg12.ecg.signals.quality import checksum_mismatches, compute_scale
from ecg12.ecg.signals.resample import resample
from ecg12.pipeline.formats.wfdb.files import read_header_text
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.convert import convert_record, source_digest
from ecg12.pipeline.ingest.plan import PlannedRecord
from ecg12.pipeline.runtime.allocator import keep_freed_memory

P = ParamSpec("P")
T = TypeVar("T")


def seconds_by_stage(records: Sequence[PlannedRecord], config: StoreConfig, work: Path) -> dict[str, float]:
    """Seconds a record, by stage, and under "all" those of the whole conversion and its share of a chunk.

    Parameters
    ----------
    records : that can be taken and fit into one chunk together
    work : a folder for the chunk
    """
    keep_freed_memory()
    spent: dict[str, float] = {}

    def timed(stage: str, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        begun = time.perf_counter()
        result = function(*args, **options)
        spent[stage] = spent.get(stage, 0.0) + time.perf_counter() - begun
        return result

    block = np.zeros((len(config.leads), config.chunk_length), np.int16)
    column = 0
    for planned in records:
        timed("convert", convert_record, planned, 0, config)
        text = timed("header: read", read_header_text, planned.path)
        timed("header: parse", parse_header, text)
        as_filed = timed("samples: read", partial(read_record, by_lead=False), planned.path, config.leads)
        timed("hash of the source", source_digest, as_filed)
        record = timed("leads apart", as_filed.by_lead)
        mismatches = timed("checksum", checksum_mismatches, record)
        samples, _, _ = timed("to microvolts, flags", clean_samples, record, mismatches)
        signal = timed("resample", resample, samples, planned.fs, config.fs)
        stored, _ = timed("quantise", to_digital, signal)
        timed("scale", compute_scale, stored)
        block[:, column : column + stored.shape[1]] = stored
        column += stored.shape[1]
    create_store(work / "stages.zarr", config, 1)
    timed("encode", encode_signal, config.codec, block)
    timed("hash of the chunk", chunk_digest, block)
    timed("encode, hash, write", write_chunk, work / "stages.zarr", config, 0, block)
    return _disjoint(spent, len(records))


def _disjoint(spent: dict[str, float], n_records: int) -> dict[str, float]:
    """Stages that add up to all: what was measured twice is taken off, and what is left over is named."""
    each = {stage: seconds / n_records for stage, seconds in spent.items()}
    whole = each.pop("convert")
    together = each.pop("encode, hash, write")
    each["samples: read"] -= each["header: read"] + each["header: parse"]
    each["write"] = together - each["encode"] - each["hash of the chunk"]
    in_convert = sum(seconds for stage, seconds in each.items() if stage not in _OF_THE_CHUNK)
    each["rest"] = whole - in_convert
    return {stage: max(seconds, 0.0) for stage, seconds in each.items()} | {"all": whole + together}


_OF_THE_CHUNK = ("encode", "hash of the chunk", "write")
