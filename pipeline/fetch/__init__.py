"""How a download is done: hosts and requests, files and tarballs, their proof and the manifest.

`pipeline.download` decides what is wanted and calls these; nothing outside a download needs them.
"""
