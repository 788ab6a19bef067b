"""Reports: one self-contained HTML page with tables, figures and the words for a Methods section."""

from alignkit.report._alignet_report import write_alignet_report
from alignkit.report._dynamics_report import write_dynamics_report
from alignkit.report._page import Figure, Section, write_page
from alignkit.report._personal_dynamics_report import write_personal_dynamics_report
from alignkit.report._personal_report import write_personal_report
from alignkit.report._pi_report import write_pi_report
from alignkit.report._report import write_report
from alignkit.report._score_report import score_sections, write_score_report
from alignkit.report._suite_report import write_suite_report
from alignkit.report._training_report import write_training_report
from alignkit.report._zero_shot_report import write_zero_shot_report

__all__ = [
    "Figure",
    "Section",
    "score_sections",
    "write_alignet_report",
    "write_dynamics_report",
    "write_page",
    "write_personal_dynamics_report",
    "write_personal_report",
    "write_pi_report",
    "write_report",
    "write_score_report",
    "write_suite_report",
    "write_training_report",
    "write_zero_shot_report",
]
