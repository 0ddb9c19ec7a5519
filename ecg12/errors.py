"""The errors that a caller may want to tell apart. All are `EcgError`s, and the builtin that fits (`ValueError`, …).

A text says where, what was found, what was expected and what to do, in one line.
"""

from ecg12.ecg.errors import (
    ChecksumError,
    ClusterError,
    ConfigError,
    DownloadError,
    EcgError,
    FormatVersionError,
    HeaderError,
    InputError,
    LeadError,
    PluginError,
    PredictionError,
    RemoteError,
    RunFolderError,
    SignalError,
    StoreError,
    TrainingError,
    UnknownCodeError,
)

__all__ = [
    "ChecksumError",
    "ClusterError",
    "ConfigError",
    "DownloadError",
    "EcgError",
    "FormatVersionError",
    "HeaderError",
    "InputError",
    "LeadError",
    "PluginError",
    "PredictionError",
    "RemoteError",
    "RunFolderError",
    "SignalError",
    "StoreError",
    "TrainingError",
    "UnknownCodeError",
]
