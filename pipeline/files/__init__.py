"""Other people's files opened without harm: bounded sizes, regular files, odd encodings, native code at arm's length.

Nothing here knows a format; bytes, lines or a named error come out.

Why it is as it is: `docs/decisions/formats.md`.
"""
