"""M/EEG: from epochs to RDMs over time, to a time course beside its noise ceiling, to honest statistics."""

from alignkit.meg._rdm_store import RDMStore

__all__ = ["RDMStore"]
