"""Which report is asked for: that of a run, of a cross-validation, or of stores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import InputError
from ecg12.pipeline.evaluation.truth import is_store
from ecg12.pipeline.report.drawing.page import ReportSummary, refuse_existing
from ecg12.pipeline.runtime.progress import Progress, silent

REPORT = "report.html"


def make_report(
    places: Sequence[Location],
    output: Path | None = None,
    *,
    stores: Sequence[Location] = (),
    n_examples: int | None = None,
    n_sample: int = 50,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> ReportSummary:
    """Report on a run folder or a cross-validation, or on one or several stores as one.

    Parameters
    ----------
    places : one run folder, or stores
    output : the HTML file; None for report.html in the run folder, or STORE.html beside the first store (in the
        current directory, where that is elsewhere)
    stores : of a run, where they are not those that it was trained on, or have moved
    n_examples : recordings that are drawn: of a run, so many wrongly decided ones of each kind (3); of stores, in all
        (12); None for what stands in brackets
    n_sample : of stores: records of each dataset whose heart rate is counted
    plugins : of a run: code from outside that its model may be built of, see `pipeline.plugins.consent`
    cuda : of a run: run its model on the GPU
    force : replace a report that is there

    Raises
    ------
    InputError
        If places are of both kinds or of neither, or there is a report already.
    RunFolderError, StoreError
        If what is there cannot be read.
    """
    which = [place for place in places if is_store(place)]
    if which and len(which) < len(places):
        other = next(place for place in places if place not in which)
        raise InputError(f"{other}: not a store, but {which[0]} is one; expected a run folder, or stores alone")
    if which and stores:
        raise InputError(f"{which[0]}: a store; --store is for the report of a run: name all stores as arguments")
    if not which and len(places) != 1:
        raise InputError(f"{len(places)} run folders; expected one: give each its own report")
    output = output or default_output(places[0], of_store=bool(which))
    refuse_existing(output, force=force)
    if which:
        from ecg12.pipeline.report.of_store.report import (  # each kind waits for its own libraries alone
            StoreReportConfig,
            report_store,
        )

        chosen = {} if n_examples is None else {"n_examples": n_examples}
        return report_store(places, output, StoreReportConfig(n_sample=n_sample, **chosen), progress=progress)
    (folder,) = places
    if isinstance(folder, RemotePath):
        raise InputError(f"{folder}: no store there; a run folder must be a folder of this machine")
    from ecg12.pipeline.report.of_run.report import report_run

    n_worst = 3 if n_examples is None else n_examples
    how: dict[str, Any] = {"plugins": plugins, "cuda": cuda, "progress": progress}
    return report_run(folder, output, stores=stores, n_examples=n_worst, **how)


def default_output(place: Location, *, of_store: bool) -> Path:
    """Where a report goes that is given no name."""
    if isinstance(place, RemotePath):
        return Path(f"{place.name}.html")
    return place.with_name(f"{place.resolve().name}.html") if of_store else place / REPORT
