"""The command line: ``alignkit VERB``. One short function per verb; each imports its runner inside."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alignkit._cli._guard import guarded
from alignkit._cli._registry import VERBS, Entry, Verb, find_verb, verb

if TYPE_CHECKING:
    from alignkit._cli._align_check import AlignCheckConfig
    from alignkit._cli._align_clusters import AlignClustersConfig
    from alignkit._cli._align_teacher import AlignApplyConfig, AlignFitConfig
    from alignkit._cli._align_triplets import AlignTripletsConfig
    from alignkit._cli._ceiling import CeilingConfig
    from alignkit._cli._cite import CiteConfig
    from alignkit._cli._compare import CompareConfig
    from alignkit._cli._completion import CompletionConfig
    from alignkit._cli._data import (
        DataFetchConfig,
        DataImportConfig,
        DataListConfig,
        DataPathConfig,
        DataVerifyConfig,
    )
    from alignkit._cli._design import DesignAnswersConfig, DesignTripletsConfig
    from alignkit._cli._evaluate import EvaluateConfig
    from alignkit._cli._extract import ExtractConfig
    from alignkit._cli._groups import GroupsConfig
    from alignkit._cli._meg_generalize import MegGeneralizeConfig
    from alignkit._cli._meg_import import MegImportConfig
    from alignkit._cli._meg_rdms import MegRdmsConfig
    from alignkit._cli._meg_timecourse import MegTimecourseConfig
    from alignkit._cli._models import ModelsListConfig, ModelsShowConfig
    from alignkit._cli._patterns import PatternsConfig
    from alignkit._cli._permute import PermuteConfig
    from alignkit._cli._power import PowerConfig
    from alignkit._cli._regress import RegressConfig
    from alignkit._cli._report import ReportConfig
    from alignkit._cli._reweight import ReweightConfig
    from alignkit._cli._rsa import RdmConfig
    from alignkit._cli._score import ScoreConfig
    from alignkit._cli._similarity import SimilarityConfig
    from alignkit._cli._train import TrainConfig
    from alignkit._cli._train_alignet import TrainAligNetConfig
    from alignkit._cli._train_embedding import TrainSPoSEConfig, TrainVICEConfig
    from alignkit._cli._train_hba import TrainHBAConfig
    from alignkit._cli._train_hba_meg import TrainHBAMEGConfig
    from alignkit._cli._train_models import TrainExportConfig, TrainImportHBAConfig
    from alignkit._cli._train_pi import TrainPIConfig
    from alignkit._demo import DemoConfig

_HELP = ("-h", "--help")
FEATURES, TRAINING, RDMS, MEG, DATA = "models", "training", "representational similarity", "M/EEG", "data sets"
STUDIES = "studies"
ALIGNMENT = "alignment"
ABOUT = "alignkit itself"


@verb("extract", FEATURES)
def extract() -> Entry[ExtractConfig]:
    """Run a model over images or texts and keep its features."""
    from alignkit._cli._extract import ExtractConfig, run_extract
    from alignkit._cli._models import words

    return Entry(ExtractConfig, run_extract, words=words)


@verb("models list", FEATURES)
def models_list() -> Entry[ModelsListConfig]:
    """List the models that can be loaded, and which are here."""
    from alignkit._cli._models import ModelsListConfig, run_list

    return Entry(ModelsListConfig, run_list)


@verb("models show", FEATURES)
def models_show() -> Entry[ModelsShowConfig]:
    """Show a model's layers, their shapes and its default layer."""
    from alignkit._cli._models import ModelsShowConfig, run_show, words

    return Entry(ModelsShowConfig, run_show, words=words)


@verb("score", FEATURES)
def score() -> Entry[ScoreConfig]:
    """Score features against people and brains, beside ceilings and baselines."""
    from alignkit._cli._score import ScoreConfig, run_score

    return Entry(ScoreConfig, run_score)


@verb("report", FEATURES)
def report() -> Entry[ReportConfig]:
    """Write runs and results as one page: figures, tables, methods, versions."""
    from alignkit._cli._report import ReportConfig, run_report

    return Entry(ReportConfig, run_report)


@verb("demo", FEATURES)
def demo() -> Entry[DemoConfig]:
    """Do the whole job on simulated people, offline, and write a report."""
    from alignkit._demo import DemoConfig, run_demo

    return Entry(DemoConfig, run_demo)


@verb("align fit", ALIGNMENT)
def align_fit() -> Entry[AlignFitConfig]:
    """Fit a teacher: a linear map of features to people's odd-one-out answers."""
    from alignkit._cli._align_teacher import AlignFitConfig, run_align_fit

    return Entry(AlignFitConfig, run_align_fit)


@verb("align apply", ALIGNMENT)
def align_apply() -> Entry[AlignApplyConfig]:
    """Transform features by a teacher, so that their dot products are calibrated."""
    from alignkit._cli._align_teacher import AlignApplyConfig, run_align_apply

    return Entry(AlignApplyConfig, run_align_apply)


@verb("align check", ALIGNMENT)
def align_check() -> Entry[AlignCheckConfig]:
    """Check what teachers are worth on items, or people, that they have not seen."""
    from alignkit._cli._align_check import AlignCheckConfig, run_align_check

    return Entry(AlignCheckConfig, run_align_check)


@verb("train alignet", TRAINING)
def train_alignet() -> Entry[TrainAligNetConfig]:
    """Make a teacher of people's answers, and train students on it (AligNet)."""
    from alignkit._cli._train_alignet import TrainAligNetConfig, presets, run_train_alignet

    return Entry(TrainAligNetConfig, run_train_alignet, presets)


@verb("train pi", TRAINING)
def train_pi() -> Entry[TrainPIConfig]:
    """Train CLIPs whose vision learns from people first, beside controls (PI)."""
    from alignkit._cli._train_pi import TrainPIConfig, presets, run_train_pi

    return Entry(TrainPIConfig, run_train_pi, presets)


@verb("train hba", TRAINING)
def train_hba() -> Entry[TrainHBAConfig]:
    """Fine-tune a CLIP, or a pair of encoders, to human behaviour."""
    from alignkit._cli._train_hba import TrainHBAConfig, presets, run_train_hba

    return Entry(TrainHBAConfig, run_train_hba, presets)


@verb("train hba-meg", TRAINING)
def train_hba_meg() -> Entry[TrainHBAMEGConfig]:
    """Train a model to unfold over time as people's M/EEG does, group or person."""
    from alignkit._cli._train_hba_meg import TrainHBAMEGConfig, presets, run_train_hba_meg

    return Entry(TrainHBAMEGConfig, run_train_hba_meg, presets)


@verb("train spose", TRAINING)
def train_spose() -> Entry[TrainSPoSEConfig]:
    """Learn sparse dimensions from people's odd-one-out answers."""
    from alignkit._cli._train_embedding import TrainSPoSEConfig, run_train_embedding, spose_presets

    return Entry(TrainSPoSEConfig, run_train_embedding, spose_presets)


@verb("train vice", TRAINING)
def train_vice() -> Entry[TrainVICEConfig]:
    """Learn a distribution over such dimensions, for soft answers."""
    from alignkit._cli._train_embedding import TrainVICEConfig, run_train_embedding, vice_presets

    return Entry(TrainVICEConfig, run_train_embedding, vice_presets)


@verb("train", TRAINING)
def train() -> Entry[TrainConfig]:
    """Train once more what the folder of a run describes (--from RUN --out NEW)."""
    from alignkit._cli._train import TrainConfig, run_train

    return Entry(TrainConfig, run_train)


@verb("train export", TRAINING)
def train_export() -> Entry[TrainExportConfig]:
    """Write a trained model as plain weights, or back into open_clip."""
    from alignkit._cli._train_models import TrainExportConfig, run_export

    return Entry(TrainExportConfig, run_export)


@verb("train import-hba", TRAINING)
def train_import_hba() -> Entry[TrainImportHBAConfig]:
    """Bring in a published CLIP-HBA checkpoint."""
    from alignkit._cli._train_models import TrainImportHBAConfig, run_import_hba

    return Entry(TrainImportHBAConfig, run_import_hba)


@verb("align clusters", ALIGNMENT)
def align_clusters() -> Entry[AlignClustersConfig]:
    """Divide images into clusters by k-means on a teacher's features."""
    from alignkit._cli._align_clusters import AlignClustersConfig, run_align_clusters

    return Entry(AlignClustersConfig, run_align_clusters)


@verb("align triplets", ALIGNMENT)
def align_triplets() -> Entry[AlignTripletsConfig]:
    """Draw triplets of images with a teacher's similarities for students."""
    from alignkit._cli._align_triplets import AlignTripletsConfig, run_align_triplets

    return Entry(AlignTripletsConfig, run_align_triplets)


@verb("patterns", RDMS)
def patterns() -> Entry[PatternsConfig]:
    """Read brain patterns from fMRI images, with masks or regions and runs as folds."""
    from alignkit._cli._patterns import PatternsConfig, run_patterns

    return Entry(PatternsConfig, run_patterns)


@verb("rdm", RDMS)
def rdm() -> Entry[RdmConfig]:
    """Turn an array or features into an RDM: how different every two items are."""
    from alignkit._cli._rsa import RdmConfig, run_rdm

    return Entry(RdmConfig, run_rdm)


@verb("compare", RDMS)
def compare() -> Entry[CompareConfig]:
    """Say how alike two or more RDMs are."""
    from alignkit._cli._compare import CompareConfig, run_compare

    return Entry(CompareConfig, run_compare)


@verb("ceiling", RDMS)
def ceiling() -> Entry[CeilingConfig]:
    """Say how well any model could do, given how far people agree."""
    from alignkit._cli._ceiling import CeilingConfig, run_ceiling

    return Entry(CeilingConfig, run_ceiling)


@verb("permute", RDMS)
def permute() -> Entry[PermuteConfig]:
    """Test whether RDMs are alike by permuting item labels (Mantel)."""
    from alignkit._cli._permute import PermuteConfig, run_permute

    return Entry(PermuteConfig, run_permute)


@verb("regress", RDMS)
def regress() -> Entry[RegressConfig]:
    """Explain RDMs as weighted sums of model RDMs."""
    from alignkit._cli._regress import RegressConfig, run_regress

    return Entry(RegressConfig, run_regress)


@verb("rsa evaluate", RDMS)
def rsa_evaluate() -> Entry[EvaluateConfig]:
    """Score model RDMs against people's, with inference to new people and items."""
    from alignkit._cli._evaluate import EvaluateConfig, run_evaluate

    return Entry(EvaluateConfig, run_evaluate)


@verb("rsa groups", RDMS)
def rsa_groups() -> Entry[GroupsConfig]:
    """Test whether two groups of people differ in RDMs and in how models fit."""
    from alignkit._cli._groups import GroupsConfig, run_groups

    return Entry(GroupsConfig, run_groups)


@verb("rsa power", RDMS)
def rsa_power() -> Entry[PowerConfig]:
    """Say how many people and items tests of models need, by pilot data."""
    from alignkit._cli._power import PowerConfig, run_power

    return Entry(PowerConfig, run_power)


@verb("rsa reweight", RDMS)
def rsa_reweight() -> Entry[ReweightConfig]:
    """Predict RDMs from features with fitted weights, judged on held-out items."""
    from alignkit._cli._reweight import ReweightConfig, run_reweight

    return Entry(ReweightConfig, run_reweight)


@verb("similarity", RDMS)
def similarity() -> Entry[SimilarityConfig]:
    """Say how alike features are, without RDMs: CKA, Procrustes, CCA, neighbours."""
    from alignkit._cli._similarity import SimilarityConfig, run_similarity

    return Entry(SimilarityConfig, run_similarity)


@verb("meg rdms", MEG)
def meg_rdms() -> Entry[MegRdmsConfig]:
    """Compute a participant's RDMs over time from epochs: distances or decoding."""
    from alignkit._cli._meg_rdms import MegRdmsConfig, run_meg_rdms

    return Entry(MegRdmsConfig, run_meg_rdms)


@verb("meg timecourse", MEG)
def meg_timecourse() -> Entry[MegTimecourseConfig]:
    """Compare models with RDMs over time: curves, ceilings, onsets, tests."""
    from alignkit._cli._meg_timecourse import MegTimecourseConfig, run_meg_timecourse

    return Entry(MegTimecourseConfig, run_meg_timecourse)


@verb("meg generalize", MEG)
def meg_generalize() -> Entry[MegGeneralizeConfig]:
    """Compare RDMs across times: how long a geometry lasts."""
    from alignkit._cli._meg_generalize import MegGeneralizeConfig, run_meg_generalize

    return Entry(MegGeneralizeConfig, run_meg_generalize)


@verb("meg import", MEG)
def meg_import() -> Entry[MegImportConfig]:
    """Bring in published RDMs over time, condensed."""
    from alignkit._cli._meg_import import MegImportConfig, run_meg_import

    return Entry(MegImportConfig, run_meg_import)


@verb("design triplets", STUDIES)
def design_triplets() -> Entry[DesignTripletsConfig]:
    """Make balanced lists of odd-one-out trials, with catch trials, for a study."""
    from alignkit._cli._design import DesignTripletsConfig, run_design_triplets

    return Entry(DesignTripletsConfig, run_design_triplets)


@verb("design answers", STUDIES)
def design_answers() -> Entry[DesignAnswersConfig]:
    """Say how many people and answers a study needs."""
    from alignkit._cli._design import DesignAnswersConfig, run_design_answers

    return Entry(DesignAnswersConfig, run_design_answers)


@verb("data list", DATA)
def data_list() -> Entry[DataListConfig]:
    """List the data sets and how much of each is at hand."""
    from alignkit._cli._data import DataListConfig, run_list, words

    return Entry(DataListConfig, run_list, words=words)


@verb("data fetch", DATA)
def data_fetch() -> Entry[DataFetchConfig]:
    """Download data sets, verified by checksum."""
    from alignkit._cli._data import DataFetchConfig, run_fetch, words

    return Entry(DataFetchConfig, run_fetch, words=words)


@verb("data import", DATA)
def data_import() -> Entry[DataImportConfig]:
    """Bring in a data set that was downloaded by hand."""
    from alignkit._cli._data import DataImportConfig, run_import, words

    return Entry(DataImportConfig, run_import, words=words)


@verb("data path", DATA)
def data_path() -> Entry[DataPathConfig]:
    """Print where a data set or one of its files lies."""
    from alignkit._cli._data import DataPathConfig, run_path, words

    return Entry(DataPathConfig, run_path, words=words)


@verb("data verify", DATA)
def data_verify() -> Entry[DataVerifyConfig]:
    """Compare the files of data sets with their checksums."""
    from alignkit._cli._data import DataVerifyConfig, run_verify, words

    return Entry(DataVerifyConfig, run_verify, words=words)


@verb("cite", ABOUT)
def cite() -> Entry[CiteConfig]:
    """Print BibTeX of what a run or a result was made with."""
    from alignkit._cli._cite import CiteConfig, run_cite, words

    return Entry(CiteConfig, run_cite, words=words)


@verb("completion", ABOUT)
def completion() -> Entry[CompletionConfig]:
    """Print a script that completes this command line in bash, zsh or fish."""
    from alignkit._cli._completion import CompletionConfig, run_completion

    return Entry(CompletionConfig, run_completion)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``alignkit``; by default those of the process.

    Returns
    -------
    int
        0 when all went well; 2 for bad input, said in one sentence on stderr; 130 when interrupted; 141 when
        the reader of the output left; 1 for a bug. The environment variable ``ALIGNKIT_TRACEBACK=1`` adds the
        traceback.

    Examples
    --------
    >>> main(["rdm", "nowhere.npy"])
    2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _dispatch(words))


def _dispatch(words: list[str]) -> None:
    if not words or words[0] in _HELP:
        _print_overview()
    elif words[0] == "--version":
        _print_versions()
    elif _is_group(words[0]) and (len(words) == 1 or words[1] in _HELP):
        _print_overview(words[0])
        if len(words) > 1 and words[0] in VERBS:  # a group that is a verb as well
            print()
            _print_page(VERBS[words[0]])
    else:
        _run(words)


def _run(words: list[str]) -> None:
    found, rest = find_verb(words)
    if any(word in _HELP for word in rest):
        _print_page(found)
        return
    from alignkit._cli._parse import parse

    entry = found.load()
    entry.run(parse(entry.config, rest, f"alignkit {found.name}", entry.presets()))


def _is_group(word: str) -> bool:
    return any(name.startswith(f"{word} ") for name in VERBS)


def _print_overview(group: str = "") -> None:
    from alignkit._cli._help import overview

    print(overview(group))


def _print_page(found: Verb) -> None:
    from alignkit._cli._help import verb_page

    print(verb_page(found))


def _print_versions() -> None:
    from alignkit import __version__
    from alignkit._versions import versions

    print(f"alignkit {__version__}")
    for name, version in versions().items():
        if name != "alignkit":
            print(f"{name} {version}")
