"""The errors a user can meet. Each text says where, what was found, what was expected and what to do.

Every class is an `EcgError`, which the command line turns into one line and exit code 1, and also the
builtin a caller would expect. Outer layers add context with `add_note` and re-raise; nobody wraps twice.
"""


class EcgError(Exception):
    """Base of every error that is the input's fault, not the program's."""


class HeaderError(EcgError, ValueError):
    """A WFDB header that cannot be understood."""


class SignalError(EcgError, ValueError):
    """Samples that are missing, damaged or of the wrong shape."""


class LeadError(SignalError):
    """A lead that is unknown or missing."""


class UnknownCodeError(EcgError, LookupError):
    """A SNOMED CT code, name or abbreviation outside the class table."""


class PredictionError(EcgError, ValueError):
    """A prediction or label file that cannot be used."""


class StoreError(EcgError, ValueError):
    """A store that is missing, incomplete or inconsistent."""


class FormatVersionError(StoreError):
    """A store written in another format version."""


class ChecksumError(StoreError):
    """Bytes whose digest is not the recorded one."""


class DownloadError(EcgError, OSError):
    """A download that did not bring what was promised."""


class ConfigError(EcgError, ValueError):
    """An option or a stored configuration out of range, unknown or contradictory."""


class InputError(EcgError, ValueError):
    """A path that holds nothing to work on, or something else than expected."""


class RunFolderError(EcgError, ValueError):
    """A run folder that is missing a file or does not fit the data."""


class TrainingError(EcgError, ArithmeticError):
    """A training that cannot go on."""


class PluginError(EcgError, RuntimeError):
    """Code from outside this program that is not there, was not named by the user, or does not do what it should."""


class ClusterError(EcgError, RuntimeError):
    """A dask cluster that cannot be reached or cannot do the work."""


class RemoteError(EcgError, OSError):
    """A place behind a URL that cannot be understood, reached, read or written."""
