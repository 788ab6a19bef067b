"""``alignkit completion``: a script that completes verbs, flags and their values in a shell."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from alignkit import __version__
from alignkit._check import check_choice
from alignkit._cli._completion_scripts import SCRIPTS
from alignkit._cli._completion_table import verb_words
from alignkit._cli._registry import VERBS
from alignkit._config import Positional

Shell = Literal["bash", "zsh", "fish"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompletionConfig:
    """Print a script by which a shell completes alignkit's verbs, flags and values at the Tab key.

    The script is complete in itself: at the Tab key no Python is started. Write it again after an update. fish reads
    it from ~/.config/fish/completions/alignkit.fish.

    Examples
    --------
    alignkit completion bash
    eval "$(alignkit completion bash)"    # in ~/.bashrc
    eval "$(alignkit completion zsh)"     # in ~/.zshrc, after compinit
    """

    shell: Positional[Shell]
    """bash, zsh or fish."""

    def __post_init__(self) -> None:
        check_choice("the shell", self.shell, get_args(Shell))


def run_completion(config: CompletionConfig) -> None:
    """Print the script."""
    verbs = [verb_words(name, verb.summary, verb.load()) for name, verb in VERBS.items()]
    print(SCRIPTS[config.shell](verbs, __version__))
