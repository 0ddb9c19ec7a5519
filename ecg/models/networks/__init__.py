"""The networks and their parts, one module each; tensors come in, tensors go out.

Nothing here chooses a network: `ecg.models.build` and `ecg.models.stages` do, from a configuration.
"""
