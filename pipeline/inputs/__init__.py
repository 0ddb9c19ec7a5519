"""Recordings of any kind of file: one module finds them, one for each kind makes `ecg.recording.Recording` of them."""
