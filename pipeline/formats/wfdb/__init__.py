"""WFDB records, the Challenge's among them: found, their samples read, here or behind a URL.

Nothing here plans or converts; `Record` in adu comes out, or a recording in microvolts.
"""
