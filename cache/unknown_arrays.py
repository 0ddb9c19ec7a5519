"""Arrays of a store that this version does not know, but whose digest a root attribute lists: read to be proven.

A later writer may add columns (FORMAT.md, section 9). What they mean is its own affair; that they are what it wrote can
be told by whoever reads zarr. They are read by the rules of every other table: the codecs of the format, and bounds on
what their files may come to.
"""

from typing import Any

from numpy.typing import NDArray

from ecg12.cache.metadata import METADATA
from ecg12.cache.schema import Column
from ecg12.cache.storage.location import Location
from ecg12.cache.storage.small_file import read_json
from ecg12.cache.table_file import read_table
from ecg12.ecg.errors import RemoteError, StoreError

_DTYPES = ("string", "bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
_DTYPES += ("float32", "float64")
_MOST_DIMS = 8


def read_unknown(store: Location, path: str) -> NDArray:
    """The values of such an array, texts as an object array of str.

    Raises
    ------
    StoreError
        If it is missing, damaged, or not written as tables of this format are.
    RemoteError
        If it is remote and the server cannot be had.
    """
    return read_table(store, describe_unknown(store, path), {})


def describe_unknown(store: Location, path: str) -> Column:
    """Dtype and dimensions of such an array, as its own metadata states them; raises as `read_unknown`."""
    where = f"{store}/{path}"
    try:
        metadata: Any = read_json(store / path / METADATA)
        dtype, dims = metadata["data_type"], metadata["dimension_names"]
        if dtype not in _DTYPES or not 1 <= len(dims) <= _MOST_DIMS:
            raise ValueError(f"{dtype} along {dims}")
        return Column(path=path, dtype=dtype, dims=tuple(map(str, dims)), meaning="")
    except RemoteError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{where}: cannot be read ({METADATA}: {error}); build the store again") from error
