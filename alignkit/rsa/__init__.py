"""Representational similarity analysis: RDMs, comparisons, noise ceilings, and human triplets."""

from alignkit.rsa._calibration import Calibration, calibration
from alignkit.rsa._ceiling import NoiseCeiling, noise_ceiling
from alignkit.rsa._choice_probabilities import choice_probabilities
from alignkit.rsa._choice_scores import choice_entropy, cross_entropy, expected_calibration_error, kl_divergence
from alignkit.rsa._compare import compare
from alignkit.rsa._compare_groups import compare_groups
from alignkit.rsa._comparison import Comparison
from alignkit.rsa._condensed import condense, squareform
from alignkit.rsa._container import RDM
from alignkit.rsa._dual_variance import dual_variance
from alignkit.rsa._entropy_agreement import EntropyAgreement, entropy_agreement
from alignkit.rsa._evaluate import evaluate
from alignkit.rsa._evaluation import Evaluation
from alignkit.rsa._fdr import fdr
from alignkit.rsa._feature_similarity import FeatureSimilarity
from alignkit.rsa._group_comparison import GroupComparison
from alignkit.rsa._human_distribution import HumanDistribution, human_distribution
from alignkit.rsa._models import FixedModel, InterpolatedModel, SelectedModel, WeightedModel
from alignkit.rsa._noise_precision import NoisePrecision, noise_precision
from alignkit.rsa._odd_one_out import odd_one_out
from alignkit.rsa._pair_probabilities import pair_probabilities
from alignkit.rsa._permutation_result import PermutationTest
from alignkit.rsa._permutation_test import permutation_test
from alignkit.rsa._person_temperatures import PersonTemperatures, fit_person_temperatures
from alignkit.rsa._power import power
from alignkit.rsa._power_curve import PowerCurve
from alignkit.rsa._predictivity import predictivity
from alignkit.rsa._predictivity_result import Predictivity
from alignkit.rsa._rank import rank
from alignkit.rsa._rdm import rdm
from alignkit.rsa._regress import regress
from alignkit.rsa._regression import Regression
from alignkit.rsa._reweighted_result import ReweightedRSA
from alignkit.rsa._reweighted_rsa import reweighted_rsa
from alignkit.rsa._similarity import similarity
from alignkit.rsa._similarity_matrix import similarity_matrix, triplet_similarities
from alignkit.rsa._split_half import SplitHalf, split_half
from alignkit.rsa._stack import stack
from alignkit.rsa._stream_compare import stream_compare
from alignkit.rsa._t_test import SubjectTest, t_test
from alignkit.rsa._temperature import TemperatureFit, fit_temperature
from alignkit.rsa._tiled_rdm import TiledRDM
from alignkit.rsa._triplet_accuracy import TripletAccuracy, triplet_accuracy
from alignkit.rsa._triplet_ceiling import TripletCeiling, percent_of_ceiling, triplet_ceiling
from alignkit.rsa._triplets import Triplets, TwoAFC
from alignkit.rsa._two_afc import TwoAFCAccuracy, two_afc_accuracy
from alignkit.rsa._variance_partition import variance_partition
from alignkit.rsa._variance_shares import VarianceShares

__all__ = [
    "RDM",
    "Calibration",
    "Comparison",
    "EntropyAgreement",
    "Evaluation",
    "FeatureSimilarity",
    "FixedModel",
    "GroupComparison",
    "HumanDistribution",
    "InterpolatedModel",
    "NoiseCeiling",
    "NoisePrecision",
    "PermutationTest",
    "PersonTemperatures",
    "PowerCurve",
    "Predictivity",
    "Regression",
    "ReweightedRSA",
    "SelectedModel",
    "SplitHalf",
    "SubjectTest",
    "TemperatureFit",
    "TiledRDM",
    "TripletAccuracy",
    "TripletCeiling",
    "Triplets",
    "TwoAFC",
    "TwoAFCAccuracy",
    "VarianceShares",
    "WeightedModel",
    "calibration",
    "choice_entropy",
    "choice_probabilities",
    "compare",
    "compare_groups",
    "condense",
    "cross_entropy",
    "dual_variance",
    "entropy_agreement",
    "evaluate",
    "expected_calibration_error",
    "fdr",
    "fit_person_temperatures",
    "fit_temperature",
    "human_distribution",
    "kl_divergence",
    "noise_ceiling",
    "noise_precision",
    "odd_one_out",
    "pair_probabilities",
    "percent_of_ceiling",
    "permutation_test",
    "power",
    "predictivity",
    "rank",
    "rdm",
    "regress",
    "reweighted_rsa",
    "similarity",
    "similarity_matrix",
    "split_half",
    "squareform",
    "stack",
    "stream_compare",
    "t_test",
    "triplet_accuracy",
    "triplet_ceiling",
    "triplet_similarities",
    "two_afc_accuracy",
    "variance_partition",
]
