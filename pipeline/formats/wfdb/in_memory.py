"""A WFDB record that somebody else has read: samples as numbers, the header as lines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.signals.leads import LEADS, canonical_lead
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.wfdb.reading import to_recording
from ecg12.pipeline.formats.wfdb.records import to_record


def read_lines(signal: NDArray, header_lines: Sequence[str]) -> Recording:
    """The standard leads of a record.

    Checksums are not looked at: whoever read the samples may have done anything to them.

    Parameters
    ----------
    signal : whole numbers of any type, shape (lead, sample), adu
    header_lines : with or without their line breaks

    Raises
    ------
    HeaderError, LeadError, SignalError
        If the header is not understood, or does not fit the samples.
    """
    header = parse_header("\n".join(line.rstrip("\r\n") for line in header_lines))
    lowest, highest = np.min(signal, initial=0), np.max(signal, initial=0)
    if not (-(2**31) <= lowest and highest < 2**31 and np.array_equal(np.rint(signal), signal)):
        raise SignalError(f"{header.name}: samples that are no whole numbers of 32 bits; expected them in adu")
    narrow = lowest >= -(2**15) and highest < 2**15
    samples: NDArray[np.integer] = signal.astype(np.int16) if narrow else signal.astype(np.int32)
    names = [canonical_lead(spec.description or "") for spec in header.signals]
    standard = [lead for lead in LEADS if lead in names]
    return to_recording(to_record(header.name, header, samples, standard or None))
