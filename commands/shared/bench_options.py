"""Options that several measurements share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

records_folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Keep the simulated records here for the next run."
)
store_folder_option = click.option(
    "--folder", type=click.Path(path_type=Path), help="Keep the simulated store here for the next run."
)


def rounds_option(default: int) -> Callable[[Any], Any]:
    """How often everything is measured: all ways in turn, so that a busy minute meets them all."""
    return click.option(
        "--rounds", type=click.IntRange(min=1), default=default, show_default=True, help="Of all ways in turn."
    )


def store_size_option(default: int) -> Callable[[Any], Any]:
    """How large the simulated store is, as `n_records`."""
    return click.option(
        "--records",
        "n_records",
        type=click.IntRange(min=600),
        default=default,
        show_default=True,
        help="In the store.",
    )
