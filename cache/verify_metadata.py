"""Whether a store's metadata is what the format says, and whether anything is in it that the format does not know.

No digest covers the metadata of arrays and groups, but all of it follows from FORMAT.md and from sizes that digests do
cover: so it is compared, key by key. What a writer added cannot be compared with anything, and is named.
"""

import os
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from ecg12.cache.metadata import GROUP, METADATA, ArrayForm, describe_array, read_array
from ecg12.cache.optional_columns import FURTHER, OPTIONAL_COLUMNS
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, SIGNAL, Column
from ecg12.cache.storage.location import Location, RemotePath
from ecg12.cache.storage.small_file import read_json
from ecg12.cache.unknown_arrays import describe_unknown
from ecg12.ecg.errors import RemoteError, StoreError

_MOST_CHUNKS = 1_000_000
_GROUPS = ("chunk", "label", "record")
_AGAIN = "build the store again"


def metadata_problems(store: Store) -> Iterator[str]:
    """One line for each metadata file that says otherwise than the format, and for whatever else is not of it."""
    groups = sorted({*_GROUPS, *(path.partition("/")[0] for path in store.listed_arrays)})
    known = {METADATA, *(f"{group}/{METADATA}" for group in groups)}
    yield from _compare(store.path, METADATA, {**GROUP, "attributes": store.attributes})
    for group in groups:
        yield from _compare(store.path, f"{group}/{METADATA}", GROUP)
    left_out = []
    for column in (SIGNAL, *COLUMNS, *(column for column in OPTIONAL_COLUMNS if store.has(column.path))):
        codec = store.config.codec if column is SIGNAL else None
        file = f"{column.path}/{METADATA}"
        known.add(file)
        try:
            form = store.files.form if column is SIGNAL else read_array(store.path, column)
        except StoreError:
            left_out.append(column.path)  # said where the column is read
            continue
        yield from _compare(store.path, file, describe_array(column, form, codec))
        _add_chunks(known, left_out, column.path, form)
    for path in sorted(store.listed_arrays.keys() - FURTHER.keys()):
        try:
            column = describe_unknown(store.path, path)
            form = read_array(store.path, column)
        except StoreError:
            left_out.append(path)  # said where its digest is proven
            continue
        yield from _compare(store.path, f"{path}/{METADATA}", _described_unknown(store.path, column, form))
        known.add(f"{path}/{METADATA}")
        _add_chunks(known, left_out, path, form)
    yield from _beyond(store.path, known, left_out)


def _add_chunks(known: set[str], left_out: list[str], path: str, form: ArrayForm) -> None:
    if prod(form.grid) > _MOST_CHUNKS:
        left_out.append(path)  # whose missing chunks are said elsewhere, for no store has so many
    else:
        known.update("/".join((path, "c", *map(str, key))) for key in product(*map(range, form.grid)))


def _described_unknown(store: Location, column: Column, form: ArrayForm) -> dict[str, Any]:
    """What the format says of a later version's array; its attributes may be any."""
    attributes = read_json(store / column.path / METADATA).get("attributes")
    return describe_array(column, form) | {"attributes": attributes if isinstance(attributes, dict) else {}}


def _compare(store: Location, file: str, expected: Mapping[str, Any]) -> Iterator[str]:
    try:
        found = read_json(store / file)
    except RemoteError:
        raise
    except (OSError, ValueError) as error:
        yield f"{store}/{file}: cannot be read ({error}); {_AGAIN}"
        return
    if not isinstance(found, dict):
        yield f"{store}/{file}: {_brief(found)}; expected an object: {_AGAIN}"
        return
    for key in sorted(expected.keys() | found.keys()):
        here, there = (repr(values[key]) if key in values else "missing" for values in (found, expected))
        if here != there and found.get(key, _NOTHING) != expected.get(key, _NOTHING):
            yield f"{store}/{file}: {key} {_brief(here)}; expected {_brief(there)}: {_AGAIN}"


_NOTHING = object()


def _brief(text: Any, most: int = 300) -> str:  # noqa: ANN401 - any JSON value
    text = str(text)
    return text if len(text) <= most else f"{text[:most]}…"


def _beyond(store: Location, known: set[str], left_out: list[str]) -> Iterator[str]:
    """Whatever is in the store's folder and not of the format, each folder of it once."""
    folders = {str(parent) for file in known for parent in PurePosixPath(file).parents} | set(left_out)
    unknown = set()
    for file in _everything(store):
        if file in known or any(file.startswith(f"{path}/") for path in left_out):
            continue
        parents = [str(parent) for parent in reversed(PurePosixPath(file).parents)]
        unknown.add(next((parent for parent in parents if parent not in folders), file))
    for path in sorted(unknown):
        yield f"{store}/{path}: not of the format, so nothing proves it; remove it, or {_AGAIN}"


def _everything(store: Location) -> Iterator[str]:
    """Every file below, and whatever else is no folder or an empty one: posix path from there."""
    if isinstance(store, RemotePath):
        yield from store.files()
        return
    for folder, below, files in os.walk(store):
        here = Path(folder).relative_to(store)
        yield from ((here / name).as_posix() for name in files)
        yield from ((here / name).as_posix() for name in below if (Path(folder) / name).is_symlink())
        if not below and not files:
            yield here.as_posix()
