"""EDF, EDF+ and BDF: header, times of data records, samples.

Nothing here knows another format.
"""
