"""SCP-ECG's statements as PTB-XL has them.

Source of `tables/scp_statements.csv`: scp_statements.csv of PTB-XL 1.0.3 (Wagner et al., Scientific Data 7 (2020) 154;
CC BY 4.0): its 71 statements, what each says, and its place in PTB-XL's hierarchy.
"""

import csv
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One of PTB-XL's SCP-ECG statements; `diagnostic_class` and `diagnostic_subclass` are empty where it is none."""

    code: str
    name: str
    diagnostic: bool
    form: bool
    rhythm: bool
    diagnostic_class: str
    diagnostic_subclass: str


@cache
def scp_statements() -> Mapping[str, Statement]:
    """All 71, by code, in the published order."""
    text = importlib.resources.files("ecg12.ecg").joinpath("tables", "scp_statements.csv").read_text(encoding="utf-8")
    kinds = ("diagnostic", "form", "rhythm")
    return MappingProxyType(
        {
            row["code"]: Statement(**(row | {kind: row[kind] == "1" for kind in kinds}))
            for row in csv.DictReader(text.splitlines())
        }
    )
