"""What an interrupted build has finished: journal entries whose chunks still are what they say."""

from collections.abc import Mapping
from functools import partial

from ecg12.cache.checksum import chunk_digest
from ecg12.cache.layout import Layout, Partition
from ecg12.cache.reader import read_chunk_of
from ecg12.cache.schema import Part
from ecg12.cache.storage.location import Location, RemotePath, in_parallel
from ecg12.cache.storage.small_file import read_small
from ecg12.cache.writing.writer import part_path
from ecg12.ecg.errors import StoreError


def finished_parts(folder: Location, built: Location, layout: Layout) -> dict[int, Part]:
    """Parts of an interrupted build that need not be done again.

    Their chunks still have the digests the journal says, and no record was rejected: it may have been mended.
    """
    check = partial(_finished_part, folder, built)
    # a remote one's chunks are fetched to be looked at: several at once
    found = in_parallel(check, layout.partitions) if isinstance(built, RemotePath) else map(check, layout.partitions)
    return {part.partition: part for part in found if part is not None}


def _finished_part(folder: Location, built: Location, partition: Partition) -> Part | None:
    try:
        part = read_part(folder, partition.index)
        chunks = range(partition.first_chunk, partition.first_chunk + partition.n_chunks)
        if (
            len(part.rows) == len(partition.records)
            and sorted(part.chunk_digests) == list(chunks)
            and all(chunk_digest(read_chunk_of(built, chunk)) == part.chunk_digests[chunk] for chunk in chunks)
        ):
            return part
    except (FileNotFoundError, StoreError):  # not written, or not whole: to be done again
        pass
    return None


def forget_others(folder: Location, finished: Mapping[int, Part]) -> None:
    """Remove journal entries that do not count, so that from here on an entry means a partition that is done."""
    kept = {part_path(folder, number).name for number in finished}
    for path in folder.glob("part-*.json"):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def read_part(folder: Location, number: int) -> Part:
    """The journal entry of a partition.

    Raises
    ------
    FileNotFoundError, StoreError
        If it is not there, or is not whole.
    """
    path = part_path(folder, number)
    return Part.from_json(read_small(path), where=str(path))
