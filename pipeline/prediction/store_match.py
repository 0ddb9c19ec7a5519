"""Whether a store is made for a model: leads, rate, filters."""

from collections.abc import Sequence

from ecg12.cache.reader import Store
from ecg12.cache.schema import Reject
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage.location import Location
from ecg12.cache.verify import require_tables
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.pipeline.prediction.interface import Predictor


def check_fit(store: Store, config: ModelConfig) -> None:
    """Raise ConfigError if a store's leads, sampling frequency or filters are not the model's."""
    if (store.fs, store.leads) != (config.fs, config.leads):
        raise ConfigError(
            f"{store.path}: {', '.join(store.leads)} at {store.fs:g} Hz; the model expects "
            f"{', '.join(config.leads)} at {config.fs:g} Hz: build such a store, or predict on the records themselves"
        )
    stored, expected = (store.config.highpass, store.config.notch), (config.highpass, config.notch)
    if stored != expected:
        raise ConfigError(
            f"{store.path}: high-pass and notch filter at {stored[0]} and {stored[1]} Hz; the model expects "
            f"{expected[0]} and {expected[1]}: build such a store, or predict on the records themselves"
        )


def open_fitting(
    paths: Sequence[Location], predictor: Predictor, rejects: list[Reject], *, alone: bool
) -> Store | None:
    """The stores that are made for a model, as one; the records of others go to `rejects`.

    Parameters
    ----------
    alone : whether these stores are all there is to predict on

    Raises
    ------
    ConfigError
        If none of them is made for the model, and they are all there is.
    """
    fitting: list[Location] = []
    for path in paths:
        store = open_stores([path])
        require_tables(store)
        try:
            predictor.check_store(store)
        except ConfigError as error:
            if alone and path == paths[-1] and not fitting:
                raise
            for dataset, name in zip(store.datasets, store.ids, strict=True):
                rejects.append(Reject(dataset=str(dataset), record=str(name), stage="read", reason=str(error)))
        else:
            fitting.append(path)
    return open_stores(fitting) if fitting else None
