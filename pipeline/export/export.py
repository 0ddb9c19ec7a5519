"""Exporting a run folder's model as one portable file, proven to answer as the run does, with a card beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import members_of, open_stores
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import ConfigError, EcgError, InputError, RunFolderError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.portable.whole_model import PortableModel
from ecg12.pipeline.export.agreement_check import (
    Agreement,
    CheckRecord,
    compare,
    records_of_files,
    records_of_store,
    require_agreement,
    simulated_records,
)
from ecg12.pipeline.export.card import format_card, is_card_of
from ecg12.pipeline.export.exported_program import Runner, following, require
from ecg12.pipeline.export.metadata import describe_model, with_versions
from ecg12.pipeline.export.onnx_file import PACKAGES, run_onnx, to_onnx
from ecg12.pipeline.export.provenance import is_trained_on, read_provenance
from ecg12.pipeline.export.torch_file import (
    check_exportable,
    run_program,
    to_program,
    write_program,
    write_safetensors,
)
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.ensemble import Member, find_run_folders, load_member
from ecg12.pipeline.runtime.progress import Progress, Task, silent

SUFFIXES = {".onnx": "onnx", ".pt2": "torch"}
FORMATS = tuple(SUFFIXES.values())
CARD, SAFETENSORS = "README.md", ".safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSummary:
    """What was written: the model, its card, and where asked for its weights; and how well the model agrees.

    `skipped` is "NAME: reason" of the records that it could not be held against.
    """

    output: Path
    form: str
    card: Path
    safetensors: Path | None
    agreement: Agreement
    recordings: bool
    skipped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """The files of an export."""

    output: Path
    form: str
    card: Path
    safetensors: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.output, self.card, *([self.safetensors] if self.safetensors else []))


def export(
    run: Path,
    output: Path,
    *,
    form: str | None = None,
    recordings: bool = False,
    safetensors: bool = False,
    stores: Sequence[Location] = (),
    check: Sequence[Path] = (),
    told: InputConfig | None = None,
    plugins: Sequence[str] = (),
    force: bool = False,
    progress: Progress = silent,
) -> ExportSummary:
    """Write the model of a run folder, ours or the reference system's, as a file that needs none of this program.

    Parameters
    ----------
    output : the file; its suffix says the format, .onnx or .pt2
    form : "onnx" or "torch", for a file of another suffix
    recordings : the model takes whole recordings, (batch, windows, leads, samples), and pools their windows; else
        windows, (batch, leads, samples)
    safetensors : write the weights beside it, too
    stores : what it was trained on: gives the card its patients, and the check its records where `check` is empty
    check : recordings to hold the file against the run on; without these and a store, simulated ones
    told : what those do not say themselves
    plugins : see `pipeline.runs.run_folder.load_model`
    force : replace files that are there

    Raises
    ------
    ConfigError
        If the format is not clear, a package is missing, or the model has what the format cannot express.
    InputError
        If a file is there already, or there is nothing to check on.
    RunFolderError, PluginError
        If the run cannot be loaded, or the file answers otherwise than the run; then nothing is written.
    """
    targets = plan_targets(output, form, safetensors=safetensors)
    check_targets(targets, force=force)
    require_packages(targets)
    member = load_run(run, plugins)
    config = member.config
    if targets.form == "torch":
        check_exportable(config, recordings=recordings)
    check_recordings(config, recordings=recordings)
    store = open_stores(stores) if stores else None
    records, skipped, source = choose_records(member, store, check, told or InputConfig())
    model = member.model
    portable = PortableModel(config, model.network, model.output_layer, model.rule, recordings=recordings).eval()
    metadata = describe_model(member, portable)
    if targets.form == "onnx":
        metadata = with_versions(metadata, "onnx", "onnxscript")
    targets.output.parent.mkdir(parents=True, exist_ok=True)
    partial = targets.output.with_name(f"{targets.output.name}.partial")
    try:
        with progress("export", 2, "steps") as task:
            runner = _make(portable, partial, targets.form, metadata, task)
            names = [one.name for one in portable.inputs]
            agreement = compare(runner, member, records, source=source, names=names, recordings=recordings)
            require_agreement(agreement, targets.output)
            task.advance()
        provenance = read_provenance(model.folder, model.epoch, _own(run, store))
        others = [targets.safetensors.name] if targets.safetensors else []
        card = format_card(targets.output.name, metadata, provenance, agreement, others=others)
        if targets.safetensors:
            write_safetensors(model.network, targets.safetensors, metadata)
        partial.replace(targets.output)
        write_text_atomically(targets.card, card)
    finally:
        partial.unlink(missing_ok=True)
    return ExportSummary(
        output=targets.output,
        form=targets.form,
        card=targets.card,
        safetensors=targets.safetensors,
        agreement=agreement,
        recordings=recordings,
        skipped=skipped,
    )


def plan_targets(output: Path, form: str | None, *, safetensors: bool) -> Targets:
    """Where everything goes.

    The card is README.md beside the model. Where a README.md lies there that is not this model's card, the card is
    called after the model: that file is not ours to replace.

    Raises
    ------
    ConfigError
        If the format is not clear.
    """
    if form not in (None, *FORMATS):
        raise ConfigError(f"format is {form!r}; expected {' or '.join(FORMATS)}")
    by_suffix = SUFFIXES.get(output.suffix.lower())
    if form is None and by_suffix is None:
        raise ConfigError(
            f"{output}: a name that ends in {output.suffix or 'nothing'}; expected .onnx or .pt2, or the format with "
            "--format"
        )
    if form is not None and by_suffix not in (None, form):
        raise ConfigError(f"{output}: named as {by_suffix}, but the format is {form}; expected one of the two")
    card = output.with_name(CARD)
    if card.exists() and not is_card_of(card, output.name):
        card = output.with_name(f"{output.name}.md")
    return Targets(
        output=output,
        form=form or str(by_suffix),
        card=card,
        safetensors=output.with_suffix(SAFETENSORS) if safetensors else None,
    )


def check_targets(targets: Targets, *, force: bool) -> None:
    """Raise InputError if a file cannot be written, or is there and may not be replaced."""
    if len(set(targets.all)) < len(targets.all):
        raise InputError(f"{targets.output}: model and weights would have the same name; give the model another suffix")
    for path in targets.all:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected the name of a file to write")
    there = [path for path in targets.all if path.exists()]
    if there and not force:
        raise InputError(f"{there[0]}: is there already; choose another name, or replace it with --force")


def require_packages(targets: Targets) -> None:
    """Raise ConfigError if a package is missing that these files need."""
    if targets.form == "onnx":
        require(PACKAGES, "a model in ONNX")
    if targets.safetensors:
        require(("safetensors",), "--safetensors")


def load_run(run: Path, plugins: Sequence[str] = ()) -> Member:
    """The model of one run folder; for `plugins` see `pipeline.runs.run_folder.load_model`.

    Raises
    ------
    RunFolderError
        If it cannot be loaded, or is a folder of several.
    """
    if not run.is_dir():
        raise RunFolderError(f"{run}: no such run folder; expected one that train made, or the reference system")
    folders = find_run_folders(run)
    if folders != [run]:
        raise RunFolderError(
            f"{run}: {len(folders)} run folders in it ({', '.join(folder.name for folder in folders[:3])}, …); "
            "expected one model: export one of them"
        )
    return load_member(run, plugins)


def choose_records(
    member: Member, store: Store | None, check: Sequence[Path], told: InputConfig
) -> tuple[list[CheckRecord], tuple[str, ...], str]:
    """What the file is held against the run on, what of that was skipped and why, and what it is called.

    It is recordings, else a store's, else simulated ones. The name goes into the card, which others read, so it has no
    folders of this machine.
    """
    if check:
        return *records_of_files(check, told, member), ", ".join(path.name or str(path) for path in check)
    if store is not None:
        for one in members_of(store):
            member.check_store(one)
        return *records_of_store(store, member), ", ".join(one.path.name for one in members_of(store))
    return simulated_records(member), (), "simulated recordings"


def check_recordings(config: ModelConfig, *, recordings: bool) -> None:
    """Raise ConfigError if whole recordings are asked for, and the model remembers what no exported model can."""
    if recordings and config.stage_remembers:
        raise ConfigError(
            "the pretrained stage transformerxl remembers a recording's windows, which cannot be exported; expected a "
            "model of windows, which is exact for recordings of one window: leave out --recordings"
        )


def find_store(run: Path, store: Path) -> tuple[Path, ...]:
    """The store if it is there and the run was trained on it; else nothing."""
    try:
        return (store,) if store.exists() and is_trained_on(run, open_stores([store])) else ()
    except EcgError:
        return ()


def _own(run: Path, store: Store | None) -> Store | None:
    """The store if the run was trained on it: another one's patients say nothing about this model."""
    return store if store is not None and is_trained_on(run, store) else None


def _make(portable: PortableModel, partial: Path, form: str, metadata: dict[str, str], task: Task) -> Runner:
    """Write the model to `partial`, and give what runs just that file."""
    with following(portable, form):
        if form == "onnx":
            partial.write_bytes(to_onnx(portable, metadata))
            runner = run_onnx(partial)
        else:
            write_program(to_program(portable), partial, metadata)
            runner = run_program(partial, portable)
    task.advance()
    return runner
