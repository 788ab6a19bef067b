"""M/EEG: from epochs to RDMs over time, to a time course beside its noise ceiling, to honest statistics."""

__all__: list[str] = []
