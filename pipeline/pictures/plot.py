"""Pictures of recordings on ECG paper, from files, folders, tarballs or a store."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import matplotlib

from ecg12.cache.reader import Store
from ecg12.cache.schema import Reject
from ecg12.ecg.drawing.paper import PaperConfig
from ecg12.ecg.drawing.plot import Caption, draw_ecg
from ecg12.ecg.drawing.score_map import ScoreMap
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.labels.snomed import name_of
from ecg12.ecg.scores.challenge_csv import Prediction, sort_scores
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import find_inputs, name_inputs
from ecg12.pipeline.recordings.reader_registry import read_input
from ecg12.pipeline.recordings.set_aside import NotLookedAt
from ecg12.pipeline.recordings.stored_recording import read_stored
from ecg12.pipeline.recordings.tarballs import unpacked
from ecg12.pipeline.runs.predicted_folder import PredictedFolder, open_predicted
from ecg12.pipeline.runtime.printable_names import in_one_line
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.runtime.record_fence import FENCED, reason_of
from ecg12.pipeline.runtime.scratch import is_no_room, scratch, unwritable

FORMATS = ("png", "svg", "pdf")
DPI = 150.0

_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Producer": None},
}
"""No dates, so that the same recording makes the same bytes."""
_ELSEWHERE = ", or choose another --output"
_STYLE = {"svg.hashsalt": "ecg12", "pdf.fonttype": 42}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlotSummary:
    """The pictures that were made, the recordings that could not be read, and what was taken otherwise than said.

    `aside` are files in the inputs that are no recordings or not of a kind that is read.
    """

    written: tuple[Path, ...]
    rejects: tuple[Reject, ...]
    notes: tuple[str, ...] = ()
    aside: tuple[NotLookedAt, ...] = ()


def plot(
    records: Sequence[str],
    output: Path,
    *,
    place: Path | None = None,
    config: PaperConfig | None = None,
    told: InputConfig | None = None,
    predictions: Path | None = None,
    form: str = "png",
    dpi: float = DPI,
    force: bool = False,
    progress: Progress = silent,
) -> PlotSummary:
    """Draw each recording into a file of its own.

    Parameters
    ----------
    records : paths of recordings, folders or tarballs; with `place` the names of recordings in it, none for all
    output : folder for NAME.png; made if it is not there
    place : a store, or a folder or tarball of recordings
    predictions : folder that predict wrote, whose labels and scores are to stand on the paper
    form : "png", "svg" or "pdf"
    dpi : of a png; all forms are true to scale
    force : replace pictures that are there

    Raises
    ------
    InputError
        If there is nothing to draw, a name is not in `place`, or a picture is there already.
        Or the table in `predictions` cannot be read.
    ConfigError
        If `form` or `dpi` make no sense.
    """
    if form not in FORMATS:
        raise ConfigError(f"form is {form!r}; expected {', '.join(FORMATS)}")
    if not 20 <= dpi <= 2400:
        raise ConfigError(f"dpi is {dpi:g}; expected 20 to 2,400")
    told, written, rejects, notes = told or InputConfig(), [], list[Reject](), list[str]()
    aside: list[NotLookedAt] = []
    predicted = None if predictions is None else open_predicted(predictions)
    with ExitStack() as stack:
        work = stack.enter_context(_unfinished(output))
        sources = list(_sources(records, place, told, work, stack, aside))
        paths = {name: output / f"{name}.{form}" for name, *_ in sources}
        there = [path for path in paths.values() if os.path.exists(path)]
        if there and not force:
            raise InputError(f"{there[0]}: is there already; choose another --output, or --force to replace it")
        with progress("plot", len(sources), "records") as task:
            for name, source, read in sources:
                try:
                    recording = read()
                    caption = _caption(recording, source, predicted)
                    content = render(recording, config, caption, form=form, dpi=dpi)
                    _write(paths[name], content, work)
                except FENCED as error:
                    if is_no_room(error):
                        raise
                    rejects.append(Reject(dataset=source, record=name, stage="plot", reason=reason_of(error)))
                else:
                    written.append(paths[name])
                    notes.extend(f"{name}: {in_one_line(note)}" for note in recording.notes)
                task.advance()
    return PlotSummary(written=tuple(written), rejects=tuple(rejects), notes=tuple(notes), aside=tuple(aside))


def render(
    recording: Recording,
    config: PaperConfig | None,
    caption: Caption,
    *,
    form: str = "png",
    dpi: float = DPI,
    score_map: ScoreMap | None = None,
) -> bytes:
    """A sheet of ECG paper as the bytes of a file; the same bytes for the same recording."""
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        file = io.BytesIO()
        draw_ecg(recording, config, caption, score_map).savefig(file, format=form, dpi=dpi, metadata=_METADATA[form])
    return file.getvalue()


def _sources(
    records: Sequence[str],
    place: Path | None,
    told: InputConfig,
    output: Path,
    stack: ExitStack,
    aside: list[NotLookedAt],
) -> Iterator[tuple[str, str, Callable[[], Recording]]]:
    """Name of each recording, where it is from, and how to read it; files that are none go to `aside`."""
    if place is not None and (place / "zarr.json").exists():
        store = Store(place)
        rows = [store.index_of(name) for name in records] if records else range(store.n_records)
        for row in rows:
            yield str(store.ids[row]), str(store.datasets[row]), partial(read_stored, store, row)
        return
    stored = [path for path in records if place is None and (Path(path) / "zarr.json").exists()]
    if stored:
        raise InputError(f"{stored[0]}: a store; name it with --from, and the records in it")
    paths = [Path(path) for path in records] if place is None else [place]
    named = dict(name_inputs(find_inputs(stack.enter_context(unpacked(paths, output)), told, aside)))
    wanted = records if place is not None and records else list(named)
    for name in wanted:
        if name not in named:
            near = get_close_matches(name, named, n=3)
            raise InputError(
                f"{place}: no recording called {name!r} among {len(named)}; "
                + (f"did you mean {' or '.join(near)}?" if near else f"the first is {next(iter(named))}")
            )
        yield name, named[name].source, partial(read_input, named[name], told, name)


def caption_of(
    recording: Recording, source: str, prediction: Prediction, names: ClassNames, model: str = ""
) -> Caption:
    """What stands above the traces: labels, and what a model says, by the names of its task."""
    number = ""
    if names.unit is not None:
        number = "; ".join(map(names.format_number, prediction.codes, prediction.scores))
    return Caption(
        labels=tuple(name_of(code) for code in recording.dx_codes),
        predictions=() if number else sort_scores(prediction, names.name_of, names.class_of),
        number=number,
        model=model,
        source=source,
    )


def _caption(recording: Recording, source: str, predictions: PredictedFolder | None) -> Caption:
    if predictions is None:
        return Caption(labels=tuple(name_of(code) for code in recording.dx_codes), source=source)
    found = predictions.read(recording.name)
    return caption_of(recording, source, found, predictions.names, predictions.folder.name)


@contextmanager
def _unfinished(output: Path) -> Iterator[Path]:
    """A folder in `output` for what is not whole yet; what the disk has against it is said in a line."""
    is_new = not output.exists()
    try:
        with ExitStack() as stack:
            try:
                work = stack.enter_context(scratch(output, "plot"))
            except OSError as error:
                raise unwritable(output, error, _ELSEWHERE) from error
            try:
                yield work
            except OSError as error:
                if not is_no_room(error):
                    raise
                raise unwritable(output, error, _ELSEWHERE) from error
    finally:
        if is_new:
            with suppress(OSError):  # not empty: pictures are there
                output.rmdir()


def _write(path: Path, content: bytes, work: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_path = work / "picture.partial"
    partial_path.write_bytes(content)
    partial_path.replace(path)
