"""What a card says of data and scores, from run folders of all kinds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ecg12.cache.several_stores import open_stores
from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.export.agreement_check import Agreement
from ecg12.pipeline.export.card import format_card, is_card_of
from ecg12.pipeline.export.provenance import Provenance, RecordShare, count_records, read_held_out, read_provenance
from ecg12.pipeline.runs.run_folder import write_ids

SCORES = {"auroc": 0.81, "auprc": 0.4, "challenge_metric": 0.345, "accuracy": None}
AGREEMENT = Agreement(source="in", n_records=2, n_windows=3, difference=2e-7, n_labels=54, n_labels_apart=0)
CLASSES = [
    {"code": "164889003", "abbreviation": "AF", "name": "atrial fibrillation", "threshold": 0.25},
    {"code": "1", "abbreviation": None, "name": "a | b", "threshold": None},
]
MODEL = {"model": "resnet1d", "stage": None, "pred_stage_type": "linear", "eval_transformer": False}
SIGNAL = {"name": "signal", "dtype": "float32", "shape": ["batch", 12, 4096], "unit": "mV", "meaning": "windows"}
FACTS = {
    "classes": json.dumps(CLASSES),
    "decision": "A label is 1 where the score is above the class's threshold.",
    "pooling": "mean",
    "pools_scores": "true",
    "fs_hz": "400.0",
    "leads": json.dumps(["I", "II"]),
    "window_samples": "4096",
    "smallest_rest": "2048",
    "normalisation": "record",
    "highpass_hz": "null",
    "notch_hz": "null",
    "input": "windows",
    "inputs": json.dumps([SIGNAL | {"needed": True, "default": None}]),
    "model": json.dumps(MODEL),
    "run": "fold-0",
    "epoch": "4",
    "trained_by": "ecg12",
    "weights_sha256": "0" * 64,
    "versions": json.dumps({"torch": "2"}),
}


NOTHING = Provenance()


def card_of(provenance: Provenance = NOTHING, **facts: str) -> str:
    return format_card("model.onnx", FACTS | facts, provenance, AGREEMENT)


def test_records_are_counted_by_name_where_no_store_is_at_hand() -> None:
    found = count_records("training", ["A0001", "HR00002", "mine/HR00001", "ward7"], None)
    assert [(one.dataset, one.records, one.patients) for one in found] == [
        ("CPSC2018", 1, None),
        ("other", 1, None),
        ("PTB-XL", 2, None),
    ]


def test_a_store_that_lacks_a_record_counts_no_patients(simulated_store: Path) -> None:
    store = open_stores([simulated_store])
    names = [str(name) for name in store.ids[:3]]
    assert all(one.patients for one in count_records("training", names, store))
    assert all(one.patients is None for one in count_records("training", [*names, "HR99999"], store))


def test_a_run_folder_that_says_nothing(tmp_path: Path) -> None:
    assert read_provenance(tmp_path, 3, None) == Provenance()
    card = card_of()
    assert "does not say which records" in card
    assert "has no scores. Judge the model" in card


def test_figures_are_those_of_the_epoch_of_the_weights(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,auroc,f_beta,lr\n0,0.5,0.1,1\n1,0.7,nan,1\n2,0.6,0.3,1\n")
    assert read_provenance(tmp_path, 1, None).validation == {"auroc": 0.7}
    assert read_provenance(tmp_path, 9, None).validation == {}
    card = card_of(Provenance(validation={"auroc": 0.7}))
    assert "| AUROC, macro | 0.700 |" in card
    assert "expect less on other records" in card


def test_scores_of_a_run_on_its_held_out_records(tmp_path: Path) -> None:
    intervals = {"macro": {"auroc": [0.77, 0.86], "auprc": [None, None]}}
    whole = {"n_records": 1200, "scores": SCORES, "intervals": intervals}
    (tmp_path / "test_scores.json").write_text(json.dumps(whole))
    assert read_held_out(tmp_path) == (whole, None)
    card = card_of(read_provenance(tmp_path, 0, None))
    assert "On 1,200 held-out records" in card
    assert "| AUROC, macro | 0.810 | 0.770 to 0.860 |" in card
    assert "| AUPRC, macro | 0.400 | – |" in card
    assert "accuracy" not in card


def test_scores_of_a_run_that_is_part_of_a_cross_validation(tmp_path: Path) -> None:
    run = tmp_path / "fold-0"
    run.mkdir()
    part = {"name": "fold-0", "n_records": 40, "scores": SCORES | {"auroc": 0.7}}
    whole = {"n_records": 200, "scores": SCORES, "held_out": [part], "intervals": {"macro": {"auroc": [0.1, 0.2]}}}
    (tmp_path / "scores.json").write_text(json.dumps(whole))
    assert read_held_out(run) == (None, None)  # the run held nothing out
    write_ids(run / "test_ids.txt", ["A0001"])
    assert read_held_out(run) == (whole, part)
    card = card_of(read_provenance(run, 0, None))
    assert "| AUROC, macro | 0.700 | – |" in card
    assert "(200) give a challenge metric of 0.345 and an AUROC of 0.810" in card.replace("\n", " ")


def test_a_damaged_history_is_named(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch\nfirst\n")
    with pytest.raises(RunFolderError, match=r"history\.csv: cannot be read"):
        read_provenance(tmp_path, 0, None)


def test_the_card_names_sources_of_the_data_that_was_used() -> None:
    shares = (
        RecordShare(role="training", dataset="PTB-XL", records=1234, patients=1000),
        RecordShare(role="training", dataset="ward 7", records=3),
    )
    card = card_of(Provenance(shares=shares))
    assert "| training | PTB-XL | 1,234 | 1,000 |" in card
    assert "| training | ward 7 | 3 | – |" in card
    assert "Wagner et al." in card
    assert "Liu et al." not in card
    assert "Other records (ward 7) are under the terms" in card


def test_the_card_cites_the_challenge_of_2021_where_its_datasets_were_used() -> None:
    found = count_records("training", ["JS00001", "JS10647", "JS45551", "A0001"], None)
    assert [(one.dataset, one.records) for one in found] == [("Chapman-Shaoxing", 1), ("CPSC2018", 1), ("Ningbo", 2)]
    card = card_of(Provenance(shares=tuple(found)))
    assert "| Chapman-Shaoxing | Zheng et al., Scientific Data 7 (2020) 48; CC BY 4.0 |" in card
    assert "| Ningbo | Zheng et al., Scientific Reports 10 (2020) 2898; CC BY 4.0 |" in card
    assert "cite Reyna et al." in card
    assert "Other records" not in card
    for old in (card_of(), card_of(Provenance(shares=found[1:2]))):
        assert "Reyna" not in old
        assert "Ningbo" not in old


def test_the_card_tells_of_longer_recordings_what_holds_for_the_model() -> None:
    assert "is the mean of its windows' scores, and its label is 1 where that is above the threshold" in card_of()
    assert "not the same as pooling these scores" in card_of(pools_scores="false")
    recurrent = card_of(model=json.dumps(MODEL | {"pred_stage_type": "lstm"}))
    assert "carries its state from a recording's window to the next" in recurrent
    assert "windows of NaN follow. The model pools them itself (max)" in card_of(input="recordings", pooling="max")
    assert "a high-pass filter at 0.5 Hz and a notch filter at 50 Hz" in card_of(highpass_hz="0.5", notch_hz="50.0")
    assert "scipy.signal.decimate" in card_of(trained_by="physionet-12ecg-classification, August 2020")


def test_cells_do_not_break_the_table() -> None:
    assert "| 1 | – | a \\| b | – |" in card_of()


def test_a_card_is_known_by_its_model(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(card_of())
    assert is_card_of(path, "model.onnx")
    assert not is_card_of(path, "other.onnx")
    path.write_text("# model.onnx: a classifier of ECGs\n")
    assert not is_card_of(path, "model.onnx")
    path.write_bytes(b"\xff\xfe")
    assert not is_card_of(path, "model.onnx")
    assert not is_card_of(tmp_path / "nothing.md", "model.onnx")


def test_others_are_named_and_labels_that_differ_counted() -> None:
    card = format_card(
        "model.onnx", FACTS, Provenance(), replace(AGREEMENT, n_labels_apart=1), others=["w.safetensors"]
    )
    assert "Beside it: `w.safetensors`" in card
    assert "1 of 54 labels" in card.replace("\n", " ")
