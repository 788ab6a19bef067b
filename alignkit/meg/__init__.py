"""M/EEG: from epochs to RDMs over time, to a time course beside its noise ceiling, to honest statistics."""

from alignkit.meg._auc import AreaUnderCurve, auc
from alignkit.meg._average_times import average_times
from alignkit.meg._bayes_factors import BayesFactors, bayes_factors
from alignkit.meg._cluster_test import ClusterTest, cluster_test
from alignkit.meg._difference import latency_difference
from alignkit.meg._find_epochs import find_epochs
from alignkit.meg._fusion import fusion
from alignkit.meg._fusion_result import Fusion
from alignkit.meg._generalization_result import TemporalGeneralization
from alignkit.meg._identify import identify
from alignkit.meg._identify_result import Identification
from alignkit.meg._label_test import label_test
from alignkit.meg._label_test_result import LabelTest
from alignkit.meg._latency_result import Latency, LatencyDifference
from alignkit.meg._max_test import MaxTest, max_test
from alignkit.meg._onset import onset
from alignkit.meg._peak import peak
from alignkit.meg._rdm_generalization import rdm_generalization
from alignkit.meg._rdm_store import RDMStore
from alignkit.meg._read_epochs import read_epochs
from alignkit.meg._read_meg_rdms import read_meg_rdms
from alignkit.meg._read_things_eeg2 import read_things_eeg2
from alignkit.meg._read_things_meg import read_things_meg
from alignkit.meg._searchlight import searchlight
from alignkit.meg._searchlight_result import Searchlight
from alignkit.meg._temporal_generalization import temporal_generalization
from alignkit.meg._tfce_test import TfceTest, tfce_test
from alignkit.meg._time_rdms import time_rdms
from alignkit.meg._timecourse import timecourse
from alignkit.meg._timecourse_result import TimeCourse
from alignkit.meg._variance_partition import variance_partition
from alignkit.meg._variance_result import VariancePartition
from alignkit.rsa._fdr import fdr

__all__ = [
    "AreaUnderCurve",
    "BayesFactors",
    "ClusterTest",
    "Fusion",
    "Identification",
    "LabelTest",
    "Latency",
    "LatencyDifference",
    "MaxTest",
    "RDMStore",
    "Searchlight",
    "TemporalGeneralization",
    "TfceTest",
    "TimeCourse",
    "VariancePartition",
    "auc",
    "average_times",
    "bayes_factors",
    "cluster_test",
    "fdr",
    "find_epochs",
    "fusion",
    "identify",
    "label_test",
    "latency_difference",
    "max_test",
    "onset",
    "peak",
    "rdm_generalization",
    "read_epochs",
    "read_meg_rdms",
    "read_things_eeg2",
    "read_things_meg",
    "searchlight",
    "temporal_generalization",
    "tfce_test",
    "time_rdms",
    "timecourse",
    "variance_partition",
]
