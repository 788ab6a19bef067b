"""M/EEG: from epochs to RDMs over time, to a time course beside its noise ceiling, to honest statistics."""

from alignkit.meg._cluster_test import ClusterTest, cluster_test
from alignkit.meg._fdr import fdr
from alignkit.meg._max_test import MaxTest, max_test
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._tfce_test import TfceTest, tfce_test

__all__ = ["ClusterTest", "MaxTest", "RDMStore", "TfceTest", "cluster_test", "fdr", "max_test", "tfce_test"]
