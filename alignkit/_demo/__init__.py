"""The whole job on the simulated lab, offline: draw, extract, score, train, report."""

from alignkit._demo._config import REAL_COMMANDS, DemoConfig, DemoPlan
from alignkit._demo._run import run_demo

__all__ = ["REAL_COMMANDS", "DemoConfig", "DemoPlan", "run_demo"]
