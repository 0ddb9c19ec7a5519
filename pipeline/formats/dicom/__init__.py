"""DICOM ECG waveforms: elements found in the bytes, multiplex groups made leads.

Nothing here knows another format.
"""
