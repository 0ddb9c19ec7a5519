"""Tests of the pages: what they name is there, what they say to type works."""
