"""An own task, of which `tests.conftest` trains a run beside those of the built-in tasks sex and age."""

RHYTHM = """
name = "rhythm"
title = "Rhythm in three groups"
source = "Nobody, A journal of rhythms 1 (2020) 1"
vocabulary = "snomed-ct"

[classes.sinus]
name = "any sinus rhythm"
abbreviation = "SINUS"
codes = ["426783006", "426177001", "427084000"]

[classes.af]
name = "fibrillation, or flutter"
abbreviation = "AF/AFL"
codes = ["164889003", "164890007"]

[classes.block]
codes = ["59118001", "713427006", "164909002"]
"""
"""An own task over SNOMED's codes, several codes a class."""
