"""Representational similarity analysis: RDMs, comparisons, noise ceilings, and human triplets."""

from alignkit.rsa._ceiling import NoiseCeiling, noise_ceiling
from alignkit.rsa._compare import Comparison, compare
from alignkit.rsa._condensed import condense, squareform
from alignkit.rsa._container import RDM
from alignkit.rsa._rank import rank
from alignkit.rsa._rdm import rdm
from alignkit.rsa._triplets import Triplets, TwoAFC

__all__ = [
    "RDM",
    "Comparison",
    "NoiseCeiling",
    "Triplets",
    "TwoAFC",
    "compare",
    "condense",
    "noise_ceiling",
    "rank",
    "rdm",
    "squareform",
]
