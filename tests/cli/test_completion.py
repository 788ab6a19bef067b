"""``alignkit completion``: what the shells themselves offer at the Tab key."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from alignkit._cli._registry import VERBS
from alignkit._config import options
from alignkit.cli import main
from alignkit.data import datasets

#: What stands before the cursor, the word at the cursor last, and all that fits.
CASES = [
    (["comp"], {"compare", "completion"}),
    (["data", ""], {"list", "fetch", "import", "path", "verify"}),
    (["train", "im"], {"import-hba"}),
    (["train", "--fr"], {"--from"}),
    (["rdm", "--me"], {"--metric", "--memory"}),
    (["rdm", "x.npy", "--no-"], {"--no-normalize", "--no-tiled"}),
    (["rdm", "x.npy", "--metric", "cross"], {"crossnobis"}),
    (["rdm", "--metric", "cosine", "--nan-policy", ""], {"propagate", "omit", "raise"}),
    (["compare", "a", "b", "--method", "rho"], {"rho-a"}),
    (["train", "hba", "--optim.sch"], {"--optim.schedule"}),
    (["train", "hba", "--adapter.projections", "q", "o"], {"out"}),
    (["train", "pi", "--arms", "web-only", "--preset", "vit-b"], {"vit-b-16", "vit-b-32"}),
    (["patterns", "--hrf", "glover +"], {"glover + derivative"}),
    (["data", "fetch", "rsa92", "cif"], {"cifar10h"}),
    (["data", "fetch", "--no-progress", "cif"], {"cifar10h"}),
    (["data", "path", "things"], {"things", "things_meg"}),
    (["extract", "--model", "mini"], {"minilm"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
]
#: Nothing but files fits: what is offered is left to the shell.
FILES = [
    ["rdm", "fold"],
    ["rdm", "--labels", "fold"],
    ["compare", "--method", "rho-a", "fold"],
    ["data", "fetch", "--root", "fold"],
]
NOTHING = [["rdm", "--dof", ""], ["no-such-verb", "x", ""], ["train", "hba", "--optim.lr", "fold"]]
cases = pytest.mark.parametrize(("words", "expected"), CASES, ids=[" ".join(words) for words, _ in CASES])


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """Return a function that writes a shell's script and gives its path."""

    def script(shell: str) -> str:
        path = tmp_path_factory.getbasetemp() / f"alignkit.{shell}"
        if not path.exists():
            command = "import sys; from alignkit.cli import main; sys.exit(main(['completion', sys.argv[1]]))"
            import sys

            done = subprocess.run(
                [sys.executable, "-c", command, shell], capture_output=True, text=True, check=True, timeout=60
            )
            path.write_text(done.stdout)
        return str(path)

    return script


def shell_or_skip(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed here")
    return path


def run_shell(command: list[str], code: str, cwd: object) -> list[str]:
    done = subprocess.run([*command, "-c", code], capture_output=True, text=True, timeout=60, cwd=cwd)
    assert done.stderr == "", done.stderr
    return [line for line in done.stdout.splitlines() if line]


# --- bash


def bash(path: str, words: list[str], cwd: object) -> list[str]:
    code = f"""
        source {shlex.quote(path)}
        complete -p alignkit | grep -q -- '-o default -F _alignkit' || echo not registered
        COMP_WORDS=(alignkit {shlex.join(words)}) COMP_CWORD={len(words)}
        _alignkit alignkit
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return run_shell([shell_or_skip("bash"), "--norc", "-u"], code, cwd)


@cases
def test_bash_offers_what_fits(words, expected, script, tmp_path):
    found = bash(script("bash"), words, tmp_path)
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("words", [*FILES, *NOTHING], ids=" ".join)
def test_bash_is_left_with_files_or_nothing(words, script, tmp_path):
    assert bash(script("bash"), words, tmp_path) == []


def test_bash_knows_values_joined_to_their_flags(script, tmp_path):
    assert bash(script("bash"), ["rdm", "--nan-policy", "=", "o"], tmp_path) == ["omit"]  # as bash cuts the line
    assert set(bash(script("bash"), ["rdm", "--nan-policy", "="], tmp_path)) == {"propagate", "omit", "raise"}


def test_bash_offers_every_flag_of_every_verb(script, tmp_path):
    path = script("bash")
    code = [f"source {shlex.quote(path)}"]
    for name in VERBS:
        words = name.split()
        code.append(f"COMP_WORDS=(alignkit {shlex.join(words)} --) COMP_CWORD={len(words) + 1}; _alignkit")
        code.append(f'echo "{name}|${{COMPREPLY[*]}}"')
    lines = run_shell([shell_or_skip("bash"), "--norc"], "\n".join(code), tmp_path)
    for line, (name, verb) in zip(lines, VERBS.items(), strict=True):
        title, _, flags = line.partition("|")
        assert title == name
        known = {f"--{option.name}" for option in options(verb.load().config).values() if option.kind != "positional"}
        assert known | {"--config", "--help"} <= set(flags.split()), name
        for flag in set(flags.split()) - known - {"--config", "--help"}:
            assert flag.replace("no-", "", 1) in known, (name, flag)


def test_bash_at_a_real_prompt(script, tmp_path):
    # readline itself: Tab twice lists what fits, a single match is written out
    (tmp_path / "folder").mkdir()
    code = f"""
        import os, pty, sys, time
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(PS1="ready> ", TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        def until(word):
            text = ""
            while word not in text:
                text += os.read(fd, 4096).decode(errors="replace")
            return text
        until("ready>")
        os.write(fd, b"source {script("bash")}; alignkit() {{ printf '<%s>' \\"$@\\"; echo; }}\\r")
        until("ready>")
        os.write(fd, b"alignkit rdm fol\\t --metr\\tcrossn\\t --nan-policy=om\\t\\r")
        print(until("<--nan-policy=omit>"))
        os.write(fd, b"exit\\r")
    """
    import sys
    import textwrap

    shell_or_skip("bash")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert "<rdm><folder/><--metric><crossnobis><--nan-policy=omit>" in done.stdout, done.stdout + done.stderr


# --- zsh, with the builtins of its line editor replaced by ones that print


def zsh(path: str, words: list[str], cwd: object) -> list[str]:
    code = f"""
        compdef() {{ : }}
        compset() {{ PREFIX=${{PREFIX#*=}} }}
        _files() {{ print FILES }}
        _describe() {{ local item; for item in "${{(@P)4}}"; do _show ${{item%%:*}}; done }}
        _show() {{ [[ $1 == $PREFIX* ]] && print -r -- $1; return 0 }}
        compadd() {{
            local item; local -a all shown
            [[ $1 == -a ]] && all=("${{(@P)2}}") || all=("${{@:2}}")
            for item in "${{all[@]}}"; do [[ $item == $PREFIX* ]] && shown+=("$item"); done
            (( ${{#shown}} )) || return 1
            print -rl -- "${{shown[@]}}"
        }}
        source {shlex.quote(path)}
        words=(alignkit {shlex.join(words)}) CURRENT={len(words) + 1} PREFIX={shlex.quote(words[-1])}
        _alignkit
        true
    """
    return run_shell([shell_or_skip("zsh"), "-f"], code, cwd)


def test_zsh_reads_the_script(script, tmp_path):
    path = script("zsh")
    assert run_shell([shell_or_skip("zsh"), "-f", "-n"], f"source {path}", tmp_path) == []


@cases
def test_zsh_offers_what_fits(words, expected, script, tmp_path):
    assert set(zsh(script("zsh"), words, tmp_path)) == expected


def test_zsh_offers_files_or_nothing_and_joined_values(script, tmp_path):
    for words in FILES:
        assert zsh(script("zsh"), words, tmp_path) == ["FILES"], words
    for words in NOTHING:
        assert zsh(script("zsh"), words, tmp_path) == [], words
    assert zsh(script("zsh"), ["rdm", "--nan-policy=o"], tmp_path) == ["omit"]


# --- fish, which tells what it would offer


def fish(path: str, words: list[str], cwd: object) -> list[str]:
    line = " ".join(["alignkit", *(shlex.quote(word) if word else "" for word in words)])
    found = run_shell([shell_or_skip("fish"), "--no-config"], f'source {path}; complete -C "{line}"', cwd)
    return [line.partition("\t")[0] for line in found]


@cases
def test_fish_offers_what_fits(words, expected, script, tmp_path):
    assert {word.replace("\\", "") for word in fish(script("fish"), words, tmp_path)} == expected


def test_fish_offers_files_or_nothing_and_joined_values(script, tmp_path):
    (tmp_path / "folder").mkdir()
    for words in FILES:
        assert fish(script("fish"), words, tmp_path) == ["folder/"], words
    for words in NOTHING:
        assert fish(script("fish"), words, tmp_path) == [], words
    assert fish(script("fish"), ["rdm", "--nan-policy=o"], tmp_path) == ["--nan-policy=omit"]


# --- the verb


def test_an_unknown_shell_is_refused(fails):
    assert "'bash', 'zsh', 'fish'" in fails("completion", "csh")
    assert fails("completion") == "SHELL is required."


def test_no_words_of_the_script_are_out_of_place(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        assert "@" not in text.replace('"$@"', "").replace("[@]", "").replace("${@:2}", "").replace("(@)", "")
        assert all(f"--{option}" in text for option in ("metric", "optim.schedule", "no-progress"))
        assert all(name in text for name in datasets())
