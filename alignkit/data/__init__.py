"""Data sets: a registry with checksummed download, and readers that get conventions and row orders right."""

from alignkit.data._algonauts78 import Algonauts78, load_algonauts78
from alignkit.data._answers_needed import AnswersGoal, AnswersNeeded, answers_needed
from alignkit.data._betas import read_betas
from alignkit.data._bibtex import bibtex
from alignkit.data._breeds import load_breeds
from alignkit.data._check_convention import check_convention
from alignkit.data._cifar10h import CIFAR10H, load_cifar10h
from alignkit.data._design_triplets import design_triplets
from alignkit.data._exclude_participants import exclude_participants
from alignkit.data._exclusion import Exclusion, ExclusionRules
from alignkit.data._fetch import fetch
from alignkit.data._haxby import Haxby, load_haxby
from alignkit.data._hba_targets import SPOSE66_RANGE, hba_targets
from alignkit.data._image_text_pairs import ImageTextPairs
from alignkit.data._imagenet_a import load_imagenet_a
from alignkit.data._import_dataset import import_dataset
from alignkit.data._judgements import JUDGEMENTS, SimilarityJudgements, load_judgements
from alignkit.data._labelled_images import LabelledImages, read_labelled_images
from alignkit.data._levels import Levels, load_levels, read_levels
from alignkit.data._match_things import ThingsMatch, match_things, things_label
from alignkit.data._material2afc import Material2AFC, load_material2afc
from alignkit.data._nights import load_nights
from alignkit.data._open_pairs import open_pairs
from alignkit.data._open_zero_shot_set import open_zero_shot_set
from alignkit.data._patterns import Patterns
from alignkit.data._personal_effect import PersonalEffect
from alignkit.data._read_jspsych import read_jspsych
from alignkit.data._read_meadows_triplets import read_meadows_triplets
from alignkit.data._read_triplets import read_triplets
from alignkit.data._read_two_afc import read_two_afc
from alignkit.data._registry import DataFile, DataFolder, Dataset, dataset_path, datasets
from alignkit.data._rsa92 import RSA92, load_rsa92
from alignkit.data._simulate import SimulatedLab, simulate
from alignkit.data._study_precision import StudyAssumptions
from alignkit.data._things import Things, load_things
from alignkit.data._timeseries import read_timeseries
from alignkit.data._triplet_design import Coverage, ExpectedPrecision, TripletDesign
from alignkit.data._verify import Verification, verify
from alignkit.data._zero_shot_set import ZeroShotSet

__all__ = [
    "CIFAR10H",
    "JUDGEMENTS",
    "RSA92",
    "SPOSE66_RANGE",
    "Algonauts78",
    "AnswersGoal",
    "AnswersNeeded",
    "Coverage",
    "DataFile",
    "DataFolder",
    "Dataset",
    "Exclusion",
    "ExclusionRules",
    "ExpectedPrecision",
    "Haxby",
    "ImageTextPairs",
    "LabelledImages",
    "Levels",
    "Material2AFC",
    "Patterns",
    "PersonalEffect",
    "SimilarityJudgements",
    "SimulatedLab",
    "StudyAssumptions",
    "Things",
    "ThingsMatch",
    "TripletDesign",
    "Verification",
    "ZeroShotSet",
    "answers_needed",
    "bibtex",
    "check_convention",
    "dataset_path",
    "datasets",
    "design_triplets",
    "exclude_participants",
    "fetch",
    "hba_targets",
    "import_dataset",
    "load_algonauts78",
    "load_breeds",
    "load_cifar10h",
    "load_haxby",
    "load_imagenet_a",
    "load_judgements",
    "load_levels",
    "load_material2afc",
    "load_nights",
    "load_rsa92",
    "load_things",
    "match_things",
    "open_pairs",
    "open_zero_shot_set",
    "read_betas",
    "read_jspsych",
    "read_labelled_images",
    "read_levels",
    "read_meadows_triplets",
    "read_timeseries",
    "read_triplets",
    "read_two_afc",
    "simulate",
    "things_label",
    "verify",
]
