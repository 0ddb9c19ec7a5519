"""The program: the commands put together, errors in one line, warnings without their place in the code."""

import logging
import re
from typing import Any

import click

from ecg12.commands.bench import bench
from ecg12.commands.build_cache import build_cache
from ecg12.commands.demo import demo, simulate
from ecg12.commands.download import download
from ecg12.commands.evaluate import evaluate
from ecg12.commands.export import export
from ecg12.commands.inspect_store import inspect_store
from ecg12.commands.plot import plot
from ecg12.commands.predict import predict
from ecg12.commands.pretrain import pretrain
from ecg12.commands.report import report
from ecg12.commands.shared.whole_process import begin_process, called_as, show_what_can_be_shown
from ecg12.commands.tasks import tasks
from ecg12.commands.train import train
from ecg12.commands.verify import verify
from ecg12.ecg.errors import EcgError
from ecg12.ecg.version import __version__

IN_PIPELINE_ORDER = [
    *(download, simulate, build_cache, inspect_store, verify, tasks),
    *(pretrain, train, predict, evaluate, plot, report, export, bench, demo),
]

INTERRUPTED = "interrupted; what was finished is kept, and the same command begins again or goes on"


class Group(click.Group):
    """Commands in pipeline order; an `EcgError` becomes one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they were given."""
        return list(self.commands)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click's, in whatever encoding the output is."""
        show_what_can_be_shown()
        kwargs.setdefault("prog_name", called_as())
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of the input in one line, Ctrl-C without a traceback."""
        try:
            return super().invoke(ctx)
        except EcgError as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            raise click.ClickException(f"{error}{notes}") from error
        except KeyboardInterrupt:
            click.echo(f"\n{INTERRUPTED}", err=True)
            raise SystemExit(130) from None
        except BrokenPipeError:
            raise  # click ends quietly when the reader of our output has gone
        except MemoryError as error:
            raise click.ClickException(f"not enough memory{f' ({error})' if str(error) else ''}") from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


class PlainWarnings(logging.Filter):
    """Shows warnings of Python without the place in the code that they come from, and each of them once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it; `record` loses all but its text."""
        text = re.sub(r"^.*?:\d+: \w+: |\n.*", "", record.getMessage(), flags=re.DOTALL)
        record.msg, record.args, record.name = text, (), "ecg12"
        is_new = text not in self.seen
        self.seen.add(text)
        return is_new


@click.group(
    cls=Group,
    commands=IN_PIPELINE_ORDER,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """12-lead ECG: recordings and labels → one verified zarr store → trained classifiers → predictions."""
    begin_process()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").filters[:] = [PlainWarnings()]


if __name__ == "__main__":
    main()
