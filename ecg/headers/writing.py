"""The text of a header, written so that it is read as the same header."""

from dataclasses import fields

from ecg12.ecg.errors import HeaderError
from ecg12.ecg.headers.header import Header, SignalSpec, parse_header


def format_header(header: Header) -> str:
    """Write a header so that `parse_header(format_header(header)) == header`.

    Fields are one space apart and comments follow the signal lines as `# text`. The date stands after the
    time when it is header(5)'s DD/MM/YYYY, else before it, as in the files that write 12-May-2020.

    Raises
    ------
    HeaderError
        If the text would not read back as this header: a field is stated after one that is not, a word holds
        white space, a text holds a line break or white space at its ends, a value is out of range.

    Source: WFDB header(5).
    """
    name = header.record_name
    lines = [" ".join(_stated(name, _record_words(header)))]
    for number, spec in enumerate(header.signals, start=1):
        lines.append(" ".join(_stated(f"{name} signal {number}", _signal_words(spec))))
    lines += [f"# {comment}" if comment else "#" for comment in header.comments]
    for line in lines:
        if "\n" in line or "\r" in line:
            raise HeaderError(f"{name}: {line!r} holds a line break; expected one line")
    text = "\n".join(lines) + "\n"
    read_back = _flat(parse_header(text))
    for field, value in _flat(header).items():
        if value != read_back.get(field):
            raise HeaderError(
                f"{name}: {field} {value!r} would read back as {read_back.get(field)!r}; "
                "expected a value that header(5) can hold"
            )
    return text


def _record_words(header: Header) -> dict[str, str | None]:
    fs = _decimal(header.fs)
    if fs is not None and header.counter_frequency is not None:
        fs += f"/{_decimal(header.counter_frequency)}"
        fs += "" if header.base_counter is None else f"({_decimal(header.base_counter)})"
    times = [word for word in (header.base_time, header.base_date) if word is not None]
    if header.base_date is not None and "/" not in header.base_date:
        times.reverse()
    return {
        "record_name": header.record_name,
        "n_leads": str(header.n_leads),
        "fs": fs,
        "n_samples": _decimal(header.n_samples),
        "base_time or base_date": " ".join(times) or None,
    }


def _signal_words(spec: SignalSpec) -> dict[str, str | None]:
    fmt = spec.fmt
    for mark, number in (("x", spec.samples_per_frame), (":", spec.skew), ("+", spec.byte_offset)):
        fmt += "" if number is None else f"{mark}{number}"
    gain = _decimal(spec.adc_gain)
    if gain is not None:
        gain += "" if spec.baseline is None else f"({spec.baseline})"
        gain += "" if spec.units is None else f"/{spec.units}"
    return {
        "file_name": spec.file_name,
        "fmt": fmt,
        "adc_gain": gain,
        "adc_resolution": _decimal(spec.adc_resolution),
        "adc_zero": _decimal(spec.adc_zero),
        "initial_value": _decimal(spec.initial_value),
        "checksum": _decimal(spec.checksum),
        "block_size": _decimal(spec.block_size),
        "description": spec.description,
    }


def _stated(place: str, words: dict[str, str | None]) -> list[str]:
    """The words up to the first that is not stated, after which nothing may be."""
    stated = [name for name, word in words.items() if word is not None]
    missing = [name for name, word in words.items() if word is None]
    if list(words)[: len(stated)] != stated:
        raise HeaderError(f"{place}: {stated[-1]} is stated but {missing[0]} is not; expected no gap")
    return [word for word in words.values() if word is not None]


def _decimal(number: float | None) -> str | None:
    """The shortest text that reads back as the same number, without a needless `.0`."""
    if number is None or isinstance(number, int):
        return None if number is None else str(number)
    return repr(float(number)).removesuffix(".0")


def _flat(header: Header) -> dict[str, object]:
    """Every field under its name, for comparing two headers field by field."""
    flat: dict[str, object] = {f.name: getattr(header, f.name) for f in fields(Header) if f.name != "signals"}
    for number, spec in enumerate(header.signals, start=1):
        flat |= {f"signal {number} {name}": value for name, value in spec._asdict().items()}
    return flat
