"""Tables as other programs write them: the samples that went in, or a message that says what is not understood."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg12.ecg.errors import EcgError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.files import text_lines
from ecg12.pipeline.formats.text_tables.reading import names_leads, read_table
from ecg12.pipeline.formats.told_by_user import InputConfig
from tests.fuzz import Fuzzed, run_cases
from tests.records import pulses_uv

SIGNAL = pulses_uv(400, seed=4)
MV = SIGNAL / 1000
NOTHING = InputConfig()
UNITS = InputConfig(units="mV")
ALL = InputConfig(fs=500, units="mV", leads=("standard",))


def check(recording: Recording, signal_uv: np.ndarray = SIGNAL, *, fs: float = 500, leads=LEADS) -> Recording:
    assert (recording.leads, recording.fs) == (tuple(leads), fs)
    np.testing.assert_allclose(recording.signal_uv, signal_uv, atol=1e-3)
    return recording


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def body(sign: str = ",", form: str = "{:.3f}", names: bool = True) -> str:
    rows = [sign.join(LEADS)] * names + [sign.join(form.format(value) for value in row) for row in MV.T]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("comments", "fs"),
    [
        ("# fs: 500\n# units: mV\n", 500),
        ("# fs: 500,0\n# units: mV (millivolt)\n", 500),
        ("# fs: 500 Hz\n# unit: millivolts\n", 500),
        ("#fs=500.0 hz\n#Units = [mV]\n", 500),
        ("# Sampling rate: 0.5 kHz\n# units: mV\n", 500),
        ("# sampling frequency (Hz): 500\n# units: mV\n", 500),
        ("# Sampling_Frequency [kHz] = 1\n# units: mV\n", 1000),
        ("% sample rate: 257.5 samples/s\n% units: mV\n", 257.5),
        ("# fs: 5e2 (as recorded)\n# units: mV\n", 500),
        ("# patient: 12\n# fs: 500\n# units: mV\n# remark: fs: 250\n", 500),
        ('"# fs: 500"\n"# units: mV"\n', 500),
    ],
)
def test_facts_in_comments(tmp_path: Path, comments: str, fs: float) -> None:
    if comments.startswith('"'):  # a sheet's quotes around the comment: it is none of the samples, at least
        comments = comments.replace('"', "")
    check(read_table(write(tmp_path / "a.csv", comments + body()), NOTHING), fs=fs)


def test_the_units_of_a_comment_may_have_either_micro_sign(tmp_path: Path) -> None:
    for unit in ("µV", "μV", "uV", "microvolt"):
        rows = [",".join(LEADS), *(",".join(map(str, row)) for row in SIGNAL.T)]
        check(read_table(write(tmp_path / "a.csv", f"# fs: 500\n# unit: {unit}\n" + "\n".join(rows)), NOTHING))


@pytest.mark.parametrize("text", ["1,000", "1.000", "fast", "500 rpm", "-500", "0", "nan", "inf", "1e300", "5 00x", ""])
def test_a_rate_that_is_not_understood_is_refused_unless_told(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.csv", f"# fs: {text}\n# units: mV\n" + body())
    with pytest.raises(SignalError, match=r"a: fs '.*' in a comment|states no sampling frequency"):
        read_table(path, NOTHING)
    assert read_table(path, InputConfig(fs=400)).fs == 400


def test_what_is_told_otherwise_than_a_table_states_it_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "# fs: 250\n# units: uV\n" + body())
    assert check(read_table(path, ALL), fs=250).notes == (
        "fs taken as 250 Hz, as the file states it; --fs is for files that state none",
        "units taken as mV, as told; the file states 'uV'",
    )
    path = write(tmp_path / "b.csv", body().replace(",".join(LEADS), ",".join(f"ch{n}" for n in range(12))))
    assert "leads taken as told; the file calls them ch0, ch1" in check(read_table(path, ALL)).notes[0]
    assert not check(read_table(write(tmp_path / "c.csv", body()), ALL)).notes


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("first", [0, 1])
def test_what_pandas_writes_without_names(tmp_path: Path, index: bool, first: int) -> None:
    frame = pd.DataFrame(MV.T, columns=range(first, first + 12))
    frame.to_csv(tmp_path / "a.csv", index=index)
    recording = check(read_table(tmp_path / "a.csv", ALL))
    assert recording.notes[0].endswith("above the columns is taken for names, not for a sample")
    with pytest.raises(SignalError, match="does not name its 12 leads"):
        read_table(tmp_path / "a.csv", UNITS)


def test_what_pandas_writes_with_an_index(tmp_path: Path) -> None:
    frame = pd.DataFrame(MV.T, columns=list(LEADS))
    frame.to_csv(tmp_path / "a.csv")
    assert names_leads(tmp_path / "a.csv")
    check(read_table(tmp_path / "a.csv", ALL))
    pd.read_csv(tmp_path / "a.csv").to_csv(tmp_path / "b.csv", index=False)
    assert (tmp_path / "b.csv").read_text().startswith("Unnamed: 0,I,")
    check(read_table(tmp_path / "b.csv", ALL))
    frame.index = pd.timedelta_range("0s", periods=400, freq="2ms")
    frame.to_csv(tmp_path / "c.csv", sep="\t", header=False, index=False)
    check(read_table(tmp_path / "c.csv", ALL))


def test_what_r_and_numpy_write(tmp_path: Path) -> None:
    rows = [" ".join(f'"{lead}"' for lead in LEADS)]
    rows += [f'"{n}" ' + " ".join(f"{value:.3f}" for value in row) for n, row in enumerate(MV.T, start=1)]
    check(read_table(write(tmp_path / "r.txt", "\n".join(rows) + "\n"), ALL))
    np.savetxt(tmp_path / "n.txt", MV.T)
    check(read_table(tmp_path / "n.txt", ALL))
    np.savetxt(tmp_path / "h.txt", MV.T, header="fs: 500\nunits: mV\n" + " ".join(LEADS))
    assert names_leads(tmp_path / "h.txt")
    check(read_table(tmp_path / "h.txt", NOTHING))
    np.savetxt(tmp_path / "i.txt", SIGNAL.T, fmt="%6d", delimiter=" ")
    check(read_table(tmp_path / "i.txt", InputConfig(fs=500, units="uV", leads=("standard",))))


MISSING = (
    "#N/A|#NUM!|#VALUE!|#DIV/0!|#REF!|#NAME?|#NULL!|#NV|#ZAHL!|NA|N/A|n/a|NaN|nan|-nan|-nan(ind)|null|NULL|None|-|--|."
    "|?|1.#QNAN|-1.#IND|1.#INF|inf|-inf|Infinity|<NA>|NaT||missing|\\N|k. A.|k.A.|N/D|n.d."
).split("|")


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("column", [0, 5, 11])
def test_every_spelling_of_a_missing_value(tmp_path: Path, sign: str, column: int) -> None:
    lines = body(sign).split("\n")
    rows = range(5, 5 + 2 * len(MISSING), 2)
    for row, text in zip(rows, MISSING, strict=True):
        cells = lines[row + 1].split(sign)
        cells[column] = text
        lines[row + 1] = sign.join(cells)
    recording = read_table(write(tmp_path / "a.csv", "\n".join(lines)), ALL)
    expected = SIGNAL.astype(float)
    for row in rows:
        expected[column, row] = (expected[column, row - 1] + expected[column, row + 1]) / 2
    check(recording, expected)
    assert np.flatnonzero(recording.lead_flags & LeadFlag.INVALID).tolist() == [column]


def test_lines_of_missing_values_alone_are_samples(tmp_path: Path) -> None:
    lines = body(names=False).split("\n")
    lines[0] = ",".join(["#N/A"] * 12)
    lines[7] = ",".join(["NaN"] * 12)
    assert read_table(write(tmp_path / "a.csv", "\n".join(lines)), ALL).n_samples == 400
    assert read_table(write(tmp_path / "b.csv", ",".join(LEADS) + "\n" + "\n".join(lines)), ALL).n_samples == 400


def german(value: float) -> str:
    return f"{value:.3f}".replace(".", ",")


@pytest.mark.parametrize(
    ("sign", "form"),
    [
        (";", german),
        ("\t", german),
        ("|", german),
        (" ", german),
        ("  ", german),
        (";", lambda value: f"{value * 1000:,.1f}".replace(",", "x").replace(".", ",").replace("x", ".")),
        (";", lambda value: f"{value * 1000:,.2f}"),
        (";", lambda value: f"{value * 1000:,.1f}".replace(",", "'")),
        (";", lambda value: f"{value * 1000:,.1f}".replace(",", "\u202f").replace(".", ",")),
        (";", lambda value: f"{value * 1000:,.1f}".replace(",", " ").replace(".", ",")),
        (",", lambda value: f'"{value * 1000:,.1f}"'),
        (",", lambda value: f'"{german(value)}"'),
        (",", lambda value: f" {value:.3f} "),
        (",", lambda value: f"{value:.5e}"),
        (";", lambda value: f"{value:.5E}".replace(".", ",")),
        (",", lambda value: f"{value:.3f}".replace("-", "\u2212")),
        (";", lambda value: f"{value:+.3f}"),
    ],
)
@pytest.mark.parametrize("names", [False, True])
def test_numbers_as_the_world_writes_them(tmp_path: Path, sign: str, form: Callable[[float], str], names: bool) -> None:
    text = "\n".join([sign.join(LEADS)] * names + [sign.join(map(form, row)) for row in MV.T])
    unit = "uV" if abs(float(MV[0, 200])) and "1000" in str(form.__code__.co_consts) else "mV"
    recording = read_table(write(tmp_path / "a.csv", text), InputConfig(fs=500, units=unit, leads=("standard",)))
    np.testing.assert_allclose(recording.signal_uv, SIGNAL, atol=0.06)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("I;II\n1,234;2,345\n1,250;3,456\n", "'1,234' may be thousands or have a decimal comma, and no other number"),
        ("I;II\n1.234;567\n1.250;12\n", "'1.234' may be thousands or have a decimal point"),
        ('I,II\n"1,234","2,345"\n"1,250","3,456"\n', "may be thousands or have a decimal comma"),
        ("I;II\n0,5;2\n0.5;3\n", "others have another sign"),
        ("I;II\n1.234,5;2\n1,234.5;3\n", "others have another sign"),
        ("I;II\n0,5;1.23\n1,5;3\n", "others have another sign"),
        ("I,II\n1,2\n1_0,2\n", "'1_0' in column 1; expected a number"),
        ("I,II\n1,2\n1,2,3\n", "line 3: 3 cells; expected 2"),
        ("I,II\n1,2\n0x10,3\n", "'0x10' in column 1"),
        ("I;II\n0,5;12,34,567\n", "expected a number|no line of samples"),
        ("one\ntwo\nthree\nfour\n", "no numbers in its first lines"),
        ("I\0\n1\n", "bytes that are no text"),
        ("I,II\n" + "1," * 3000 + "\n", "columns; expected one for each lead|names above"),
        ("1," * 3000 + "1\n" + "2," * 3000 + "1\n", "3,001 columns; expected one for each lead"),
        ("n,I\n1,1\n2,1\n3,1\n7,1\n8,1\n", "counts samples goes from 3 to 7 at sample 4"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        read_table(write(tmp_path / "a.csv", text), ALL)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, ends: str) -> None:
    rows = [";".join(f"{lead} (µV)" for lead in LEADS), *(";".join(map(str, row)) for row in SIGNAL.T)]
    path = write(tmp_path / "a.csv", ends.join(["# Prüfer: Müller", *rows, ""]), encoding)
    assert names_leads(path)
    check(read_table(path, InputConfig(fs=500)))


def test_a_big_endian_mark_and_excels_own_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xfe\xff" + ("sep=;\r\n" + body(";").replace("\n", "\r\n")).encode("utf-16-be"))
    check(read_table(path, ALL))
    check(read_table(write(path, "sep=\t\n" + body("\t")), ALL))
    check(read_table(write(path, '"sep=|"\n' + body("|")), ALL))


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("named", [False, True])
def test_separators_at_the_end_of_lines(tmp_path: Path, sign: str, named: bool) -> None:
    lines = body(sign).rstrip("\n").split("\n")
    text = "\n".join([lines[0] + sign * named, *(line + sign for line in lines[1:])])
    check(read_table(write(tmp_path / "a.csv", text), ALL))


def test_quotes_and_names_with_another_separator(tmp_path: Path) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([LEADS, *MV.T.tolist()])
    check(read_table(write(tmp_path / "a.csv", file.getvalue()), ALL))
    check(read_table(write(tmp_path / "b.csv", ",".join(LEADS) + "\n" + body("\t", names=False)), ALL))
    check(read_table(write(tmp_path / "c.csv", "ECG of a visit\n" + body()), ALL)).notes[0].startswith("the first line")


def elapsed(seconds: float) -> str:
    """As WFDB's mstimstr does it."""
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes}:{rest / 1000:06.3f}"
    return f"{hours}:{minutes:02}:{rest / 1000:06.3f}" if hours else clock


RDSAMP = {
    "c -p": ("'Elapsed time'", "'seconds'", lambda n: f"{n / 500:.3f}", 500),
    "c -pe": ("'Elapsed time'", "'hh:mm:ss.mmm'", lambda n: f"'{elapsed(n / 500)}'", 500),
    "c -pe late": ("'Elapsed time'", "'hh:mm:ss.mmm'", lambda n: f"'{elapsed(3599.9 + n / 500)}'", 500),
    "c -pS": ("'sample interval'", "'0.002 sec'", str, 500),
    "c -ph": ("'Elapsed time'", "'hours'", lambda n: f"{n / 500 / 3600:.7f}", 500),
    "c -pm": ("'Elapsed time'", "'minutes'", lambda n: f"{n / 500 / 60:.5f}", 500),
    "c -pd": (
        "'Time and date'",
        "'hh:mm:ss.mmm dd/mm/yyyy'",
        lambda n: f"'[23:59:59.{n * 2:03} 31/12/2019]'" if n < 500 else "'[00:00:00.000 01/01/2020]'",
        500,
    ),
    "c 360": ("'Elapsed time'", "'seconds'", lambda n: f"{n / 360:.3f}", None),
}


@pytest.mark.parametrize("way", RDSAMP)
@pytest.mark.parametrize("tabs", [False, True])
def test_what_rdsamp_and_physiobank_atm_write(tmp_path: Path, way: str, tabs: bool) -> None:
    """`rdsamp -c -v -p…`, which ATM's export runs, and the same without -c (wfdb 10.7, app/rdsamp.c)."""
    name, unit, stamp, fs = RDSAMP[way]
    heads = [[name, *(f"'{lead}'" for lead in LEADS)], [unit, *["'mV'"] * 12]]
    rows = [[stamp(n), *(f"{value:.3f}" for value in row)] for n, row in enumerate(MV.T)]
    rows[20][3] = "-"
    text = "\n".join(",".join(row) for row in [*heads, *rows])
    if tabs:
        heads = [
            [name.strip("'").rjust(15), *(lead.rjust(7) for lead in LEADS)],
            [f"({unit.strip(chr(39))})".rjust(15), *["(mV)".rjust(7)] * 12],
        ]
        stamps = [[row[0].strip("'").rjust(15), *(cell.rjust(7) for cell in row[1:])] for row in rows]
        text = "\n".join("\t".join(row) for row in [*heads, *stamps])
    path = write(tmp_path / "samples.csv", text + "\n")
    assert names_leads(path)
    recording = read_table(path, NOTHING if fs else InputConfig(fs=360))
    assert recording.fs == pytest.approx(fs or 360, rel=1e-3 if way in ("c -ph", "c -pm") else 1e-9)
    kept = np.arange(400) != 20
    np.testing.assert_allclose(recording.signal_uv[:, kept], SIGNAL[:, kept], atol=1e-3)
    assert recording.lead_flags[2] & LeadFlag.INVALID


@pytest.mark.parametrize(
    ("name", "stamp"),
    [
        ("time", lambda n: f"2020-01-01 12:00:{n / 500:06.3f}"),
        ("timestamp", lambda n: f"2020-01-01T12:00:{n / 500:06.3f}Z"),
        ("Timestamp", lambda n: f"2020-01-01T12:00:{n / 500:06.3f}+01:00"),
        ("date time", lambda n: f"31.12.2019 23:59:{n / 500:06.3f}"),
        ("time", lambda n: f"11:59:{n / 500:06.3f} PM"),
        ("time_ms", lambda n: str(2 * n)),
        ("time [ms]", lambda n: str(2 * n)),
        ("time (us)", lambda n: str(2000 * n + 10**12)),
        ("t (s)", lambda n: f"{n / 500:.6f}"),
        ("seconds", lambda n: f"{n / 500!r}"),
        ("Temps (s)", lambda n: f"{n / 500:.3f}"),
        ("Tiempo [ms]", lambda n: str(2 * n)),
        ("Zeit in ms", lambda n: str(2 * n)),
        ("Zeit / s", lambda n: f"{n / 500:.3f}"),
        ("Uhrzeit", lambda n: f"10:00:{n / 500:06.3f}"),
        ("Время, мс", lambda n: str(2 * n)),
        ("", lambda n: str(pd.Timedelta(milliseconds=2 * n))),  # 0 days 00:00:00.002000
    ],
)
def test_columns_of_time(tmp_path: Path, name: str, stamp: Callable[[int], str]) -> None:
    quoted = f'"{name}"' if "," in name else name

    def table(left_out: int | None) -> str:
        rows = [f"{stamp(n)},{','.join(f'{value:.3f}' for value in row)}" for n, row in enumerate(MV.T)]
        del rows[left_out : None if left_out is None else left_out + 3]
        return "\n".join([f"{quoted},{','.join(LEADS)}", *rows])

    rows = table(400)
    check(read_table(write(tmp_path / "a.csv", rows), UNITS))
    for told in (UNITS, ALL):  # what is told does not fill a gap
        with pytest.raises(SignalError, match=r"a: times are not evenly spaced: .* at sample 200, .* at sample 201"):
            read_table(write(tmp_path / "a.csv", table(200)), told)


@pytest.mark.parametrize(
    "form", ["{}_mV", "{} / mV", "{} in mV", "Ableitung {} [mV]", "ECG_{}_mV", "Lead {}/mV", "{}-Ref (mV)", "{}, мВ"]
)
def test_names_with_units_as_lead_names_of_other_kinds_of_file(tmp_path: Path, form: str) -> None:
    names = ",".join(f'"{form.format(lead)}"' for lead in LEADS)
    path = write(tmp_path / "a.csv", f"{names}\n{body(names=False)}")
    assert names_leads(path)
    check(read_table(path, InputConfig(fs=500)))


def test_names_with_blanks_above_columns_that_blanks_separate(tmp_path: Path) -> None:
    heads = "   Elapsed time" + "".join(f"{lead:>9}" for lead in LEADS) + "\n"
    heads += "   hh:mm:ss.mmm" + "     (mV)" * 12 + "\n"
    rows = [f"   0:{n / 500:06.3f}" + "".join(f"{value:9.3f}" for value in row) for n, row in enumerate(MV.T)]
    check(read_table(write(tmp_path / "a.txt", heads + "\n".join(rows) + "\n"), NOTHING))


@pytest.mark.parametrize("index", [False, True])
def test_the_names_that_r_gives_to_columns_without_names_are_no_leads(tmp_path: Path, index: bool) -> None:
    """`write.csv(matrix)` heads its columns V1 to V12: the first six were taken for chest leads."""
    names = ",".join(['""'] * index + [f'"V{number}"' for number in range(1, 13)])
    rows = [f'"{n}",' * index + line for n, line in enumerate(body(names=False).splitlines(), start=1)]
    path = write(tmp_path / "a.csv", "\n".join([names, *rows]) + "\n")
    assert not names_leads(path)
    recording = check(read_table(path, ALL))
    assert recording.notes == ("the names V1, V2, … above the columns are R's for columns without names, not leads",)
    with pytest.raises(SignalError, match="does not name its 12 leads; tell them with --leads"):
        read_table(path, InputConfig(fs=500, units="mV"))


@pytest.mark.parametrize("begins", [0, 250])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_words_in_columns_that_are_no_leads_are_left_alone(tmp_path: Path, begins: int, sign: str) -> None:
    """Beats' labels and patients' names stand beside the samples in many an export, from the first line on or later."""
    names = ["patient", "time (s)", *LEADS, "label", "note"]
    rows = [
        [
            "A0001" if n >= begins else "",
            f"{n / 500:.3f}",
            *(f"{value:.3f}" for value in row),
            "N" * (n % 90 == 0),
            "1,5",
        ]
        for n, row in enumerate(MV.T)
    ]
    text = "\n".join(sign.join(f'"{cell}"' if sign in cell else cell for cell in row) for row in [names, *rows])
    recording = check(read_table(write(tmp_path / "a.csv", text + "\n"), UNITS))
    assert not recording.lead_flags.any()
    broken = text.replace(rows[300][5], "bad", 1)
    with pytest.raises(SignalError, match=r"a line \d+: 'bad' in column \d+; expected a number"):
        read_table(write(tmp_path / "a.csv", broken), UNITS)


@pytest.mark.parametrize("names", [False, True])
def test_a_first_sample_with_a_word_in_it_is_no_line_of_names_or_units(tmp_path: Path, names: bool) -> None:
    lines = body(names=names).split("\n")
    lines[names] = lines[names].replace(lines[names].split(",")[2], "off", 1)
    with pytest.raises(SignalError, match=rf"a line {1 + names}: 'off' in column 3; expected a number"):
        read_table(write(tmp_path / "a.csv", "\n".join(lines)), ALL)


def test_posterior_leads_beside_limb_leads_are_leads(tmp_path: Path) -> None:
    names = ["I", "II", *(f"V{number}" for number in range(1, 10))]
    rows = "\n".join(",".join(f"{value:.3f}" for value in row[:11]) for row in MV.T)
    recording = read_table(write(tmp_path / "a.csv", f"{','.join(names)}\n{rows}\n"), ALL)
    check(recording, SIGNAL[:8], leads=names[:8])


@pytest.mark.parametrize(("step", "form"), [(0.002, "{:.3f}"), (2, "{:.0f}"), (0.004, "{:.3f}")])
@pytest.mark.parametrize("shift", [1, -1])
def test_a_single_sample_left_out_or_there_twice_is_said(tmp_path: Path, step: float, form: str, shift: int) -> None:
    times = [form.format((n + shift * (n > 200)) * step) for n in range(400)]
    rows = [f"{time},{','.join(f'{value:.3f}' for value in row)}" for time, row in zip(times, MV.T, strict=True)]
    path = write(tmp_path / "a.csv", "\n".join([f"time (s),{','.join(LEADS)}", *rows]))
    with pytest.raises(SignalError, match=r"times are not evenly spaced: .* at sample 201, .* at sample 202"):
        read_table(path, UNITS)


@pytest.mark.parametrize("fs", [128, 250, 256, 257, 300, 333, 360, 480, 500, 600, 720, 900, 1000, 1024, 1500, 2000])
def test_times_that_are_rounded_to_milliseconds_have_no_gaps(tmp_path: Path, fs: int) -> None:
    rows = [f"{n / fs:.3f},{','.join(f'{value:.3f}' for value in row)}" for n, row in enumerate(MV.T)]
    path = write(tmp_path / "a.csv", "\n".join([f"time (s),{','.join(LEADS)}", *rows]))
    recording = read_table(path, InputConfig(fs=fs, units="mV"))
    assert recording.fs == pytest.approx(fs, rel=5e-3)


@pytest.mark.parametrize("end", [",,,,,,,,,,,\n", "NaN" + ",NaN" * 11 + "\n"])
def test_empty_cells_below_a_table_are_no_samples(tmp_path: Path, end: str) -> None:
    recording = check(read_table(write(tmp_path / "a.csv", body() + end * 5), ALL))
    assert recording.notes == ("5 lines without any number at the end: left out",)


def test_a_table_of_nothing_but_missing_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="no valid sample in any lead"):
        read_table(write(tmp_path / "a.csv", ",".join(LEADS) + "\n" + ",,,,,,,,,,,\n" * 9), ALL)


def test_times_without_a_unit_are_held_to_leave_none_out(tmp_path: Path) -> None:
    text = "time,I\n" + "".join(f"{n * 7},{n / 1000:.3f}\n" for n in range(100))
    with pytest.raises(SignalError, match="states no sampling frequency"):
        read_table(write(tmp_path / "a.csv", text), UNITS)
    assert read_table(tmp_path / "a.csv", ALL).fs == 500
    with pytest.raises(SignalError, match="times are not evenly spaced: 343 at sample 50, 357 at sample 51"):
        read_table(write(tmp_path / "a.csv", text.replace("350,0.050\n", "")), ALL)


def test_times_that_jitter_or_are_coarse(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, 400)
    noise[[0, -1]] = 0
    rows = "".join(f"{n * 2 + shift:.3f},0.{n:03}\n" for n, shift in enumerate(noise))
    recording = read_table(write(tmp_path / "a.csv", "time (ms),I\n" + rows), UNITS)
    assert recording.fs == 500
    assert "samples off an even spacing, which is taken" in recording.notes[0]
    rows = "".join(f"{n / 500:.1f},0.{n:03}\n" for n in range(400))
    with pytest.raises(SignalError, match="states no sampling frequency"):
        read_table(write(tmp_path / "a.csv", "time (s),I\n" + rows), UNITS)
    assert read_table(tmp_path / "a.csv", ALL).fs == 500


def test_a_comment_and_times_that_disagree(tmp_path: Path) -> None:
    rows = "".join(f"{n * 4},0.{n:03}\n" for n in range(400))
    path = write(tmp_path / "a.csv", "# fs: 500\ntime (ms),I\n" + rows)
    with pytest.raises(SignalError, match="a comment states 500 Hz, the column of time 250 Hz; tell which with --fs"):
        read_table(path, UNITS)
    assert read_table(path, InputConfig(units="mV", fs=250)).fs == 250


def test_compressed_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(body().encode()))
    assert names_leads(path)
    check(read_table(path, ALL))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SignalError, match=r"a\.csv\.gz: cannot be read as a text table \(EOFError"):
        read_table(path, ALL)
    monkeypatch.setattr(text_lines, "INFLATED_BYTES", 2**20)
    path.write_bytes(gzip.compress(b"I,II\n" + b"1,2\n" * 2**20))
    with pytest.raises(SignalError, match=r"a\.csv\.gz: inflates to more than 1 MiB and 64 times its size"):
        read_table(path, ALL)


def test_a_giant_line_is_refused_after_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1," * 2**20)
    with pytest.raises(SignalError, match=r"a\.csv line 1: more than 1,048,576 characters"):
        read_table(path, ALL)
    path.write_bytes(b"I,II\n1,2\n" + b"1" * 2**21)
    with pytest.raises(SignalError, match=r"a\.csv line 3: more than 1,048,576 characters"):
        read_table(path, ALL)


def _seeds() -> list[bytes]:
    short = [MV[:, :30].T, SIGNAL[:, :30].T]
    named = pd.DataFrame(short[0], columns=list(LEADS))
    savetxt = io.BytesIO()
    np.savetxt(savetxt, short[0], fmt="%.4f", header=" ".join(LEADS))
    atm = "'Elapsed time','I','II'\n'hh:mm:ss.mmm','mV','mV'\n" + "".join(f"'0:00.{n:03}',0.1,-\n" for n in range(30))
    return [
        f"# fs: 500\n# units: mV\n{named.to_csv()}".encode(),
        named.to_csv(sep=";", decimal=",", index=False).encode("utf-16"),
        pd.DataFrame(short[1]).to_csv(index=False).encode(),
        savetxt.getvalue(),
        atm.encode(),
        'sep=;\nI (µV);"II (µV)"\n1.234,5;#N/A\n-3,25;0\n'.encode("cp1252"),
    ]


FUZZED = Fuzzed(seeds=_seeds, read=lambda path: read_table(path, ALL), name="ecg.csv", wraps=(gzip.compress,))


def test_damaged_tables_give_a_recording_or_a_message(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(400))
    assert not tally.failures
    assert tally.n_read > 10
    assert tally.refusals.total() > 200


def test_names_leads_raises_nothing(tmp_path: Path) -> None:
    for content in (b"", b"\x1f\x8b\x08broken", b"\0" * 100, b"\xff\xfe\x00", b"a" * 2**21, b'"' * 200_000):
        (tmp_path / "a.csv").write_bytes(content)
        assert not names_leads(tmp_path / "a.csv")
    assert not names_leads(tmp_path / "nowhere.csv")
    with pytest.raises(EcgError, match=r"nowhere\.csv: does not exist"):
        read_table(tmp_path / "nowhere.csv", ALL)
