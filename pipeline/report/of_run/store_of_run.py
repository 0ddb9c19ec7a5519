"""The records that a run learned from: the store that it was trained on, found again where it was, or told."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage.location import Location, is_url, locate
from ecg12.ecg.errors import EcgError
from ecg12.pipeline.evaluation.truth import is_store
from ecg12.pipeline.runs.checkpoint import CONFIG, read_json
from ecg12.pipeline.runs.run_folder import ENVIRONMENT

NAME_IT = "name it with --store"


def find_run_store(folder: Path, told: Sequence[Location]) -> tuple[Store | None, str]:
    """The run's store, or None and why there is none.

    Without being told, a store counts only if it is the very one, by its digest: it is looked for where the run says
    that it was, and among the words of the run's command line.

    Raises
    ------
    StoreError, ConfigError
        If the stores that were told cannot be read as one.
    """
    if told:
        return open_stores(told), ""
    digest = _read(folder / CONFIG).get("store_digest")
    if not isinstance(digest, str):
        return None, f"the run does not say which store it was trained on; {NAME_IT}"
    tried = []
    for places in _candidates(_read(folder / ENVIRONMENT)):
        tried += [str(place) for place in places if str(place) not in tried]
        try:
            if all(map(is_store, places)):
                store = open_stores(places)
                if store.attributes["digest"] == digest:
                    return store, ""
        except EcgError:
            continue
    where = f" (looked at {', '.join(tried[:3])})" if tried else ""
    return None, f"the store with digest {digest[:12]}… that the run was trained on was not found{where}; {NAME_IT}"


def _candidates(environment: Mapping[str, Any]) -> Iterator[list[Location]]:
    """Places where the store, or the several, may be."""
    named = environment.get("stores")
    if isinstance(named, list) and named:
        yield [locate(str(name)) for name in named]
    words = [str(word) for word in environment.get("command") or () if not str(word).startswith("-")]
    there = [locate(word) for word in words if is_url(word) or Path(word, "zarr.json").is_file()]
    if there:
        yield there
    yield [Path("data/ecg.zarr")]


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object that a run may lack, or have damaged: then it says nothing."""
    try:
        values = read_json(path)
    except EcgError:
        return {}
    return values if isinstance(values, dict) else {}
