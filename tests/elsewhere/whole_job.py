"""The whole job in a process of that system; what is printed at the end is looked at by the test."""

import importlib
import json
import sys
from pathlib import Path

ROOMS = ("ecg", "cache", "pipeline", "commands")


def import_everything(root: Path) -> int:
    """Import every module of the program; how many there are."""
    paths = [path.relative_to(root).with_suffix("") for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    for path in paths:
        importlib.import_module(".".join(("ecg12", *path.parts)).removesuffix(".__init__"))
    return len(paths)


def run(*arguments: object) -> None:
    from ecg12.commands import main as program

    program.main([str(one) for one in arguments], standalone_mode=False)


def download(output: Path) -> None:
    """The simulated publication, from two hosts of it: tarballs, and the release."""
    from ecg12.pipeline.download.download import DownloadConfig, download
    from tests.pipeline.http_server import Server
    from tests.pipeline.published import FAST, publish

    published = publish()
    for name, files in (("tarballs", published.tarballs), ("release", published.release)):
        with Server(dict(files)) as server:
            for _ in range(2):
                wanted = DownloadConfig(mirrors=(server.url,), source=name, verify=True)
                found = download(output / name, wanted, transfer=FAST, sources=published.sources, table=None)
                assert not found.problems, found.problems


def build_train_predict(work: Path) -> None:
    """Each command, and again over what it has left."""
    corpus, store, model, answers = work / "corpus", work / "ecg.zarr", work / "run", work / "answers"
    run("simulate", corpus, "--records", 40, "--max-duration", 11, "--seed", 3)
    build = ("build-cache", corpus, "--output", store, "--patients", corpus / "patients.csv")
    run(*build, "--workers", 2)
    run(*build, "--workers", 1, "--force")  # in this process, and in the place of another
    run("verify", store)
    train = ("train", store, "--folder", model, "--max-windows-per-record", 1)
    tiny = ("--net-filter-size", "4,6", "--net-seq-length", "256,16", "--dropout-rate", 0)
    run(*train, *tiny, "--epochs", 1)
    run(*train, "--epochs", 2)
    for inputs in (corpus, store):
        run("predict", inputs, "--model", model, "--output", answers, "--json", work / "answers.json", "--force")
    run("evaluate", corpus, answers, work / "scores.csv", "--bootstrap", 0)
    run("report", model, "--output", work / "run.html", "--examples", 1)


if __name__ == "__main__":
    n_modules = import_everything(Path.cwd())
    download(Path(sys.argv[1]) / "data")
    build_train_predict(Path(sys.argv[1]))
    print(json.dumps({"modules": n_modules, "taken away": [name for name, one in sys.modules.items() if one is None]}))
