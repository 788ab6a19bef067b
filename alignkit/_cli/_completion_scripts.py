"""Scripts of completion for bash, zsh and fish: one way of finding what may follow, in three languages.

Each script walks over the words before the cursor, finds the verb, the last flag and how many values have followed
it, and looks the candidates up in a table that is written out in full.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence

from alignkit._cli._completion_table import VerbWords

_ARRAYS = ("flags", "switches", "several", "numbers")
_HEAD = "# {shell} completion for alignkit {version}; `alignkit completion {shell}` writes it again.\n"

_BASH = r"""
_alignkit_is_in() {
    local word
    for word in "${@:2}"; do [[ $word == "$1" ]] && return 0; done
    return 1
}

_alignkit() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' flag='' n=0 place=0 i word
    local -a before=() words=() flags=() switches=() several=() numbers=()
    COMPREPLY=()
    # bash cuts --flag=value into three words
    [[ $cur == '=' ]] && cur=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == '=' ]] || before+=("${COMP_WORDS[i]}")
    done
    if ((${#before[@]} == 0)); then
        words=(@HEADS@ --help --version)
    else
        verb=${before[0]}
        case "$verb ${before[1]-}" in
            @PAIRS@) verb="${before[0]} ${before[1]}" ;;
        esac
        if ((${#before[@]} == 1)) && [[ $cur != -* ]]; then
            case $verb in
@SUBVERBS@
            esac
        fi
        if ((${#words[@]} == 0)); then
            case $verb in
@TABLE@
                *) return ;;
            esac
            i=1
            [[ $verb == *' '* ]] && i=2
            for word in "${before[@]:i}"; do
                if [[ $word == --* ]]; then
                    flag=$word n=0
                elif [[ -n $flag ]] && ! _alignkit_is_in "$flag" "${switches[@]}" &&
                    { ((n == 0)) || _alignkit_is_in "$flag" "${several[@]}"; }; then
                    n=$((n + 1))
                else
                    place=$((place + 1)) flag=''
                fi
            done
            if [[ -z $flag ]] || _alignkit_is_in "$flag" "${switches[@]}" ||
                { ((n > 0)) && ! _alignkit_is_in "$flag" "${several[@]}"; }; then
                flag=$place
            fi
            if [[ $cur == -* ]]; then
                words=("${flags[@]}")
            elif _alignkit_is_in "$flag" "${numbers[@]}"; then
                compopt +o default +o bashdefault 2> /dev/null
                return
            else
                case "$verb $flag" in
@VALUES@
                esac
            fi
        fi
    fi
    # nothing that fits: file names, which is what -o default means
    for word in "${words[@]}"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
}
complete -o bashdefault -o default -F _alignkit alignkit
"""

_ZSH = r"""
_alignkit() {
    local verb='' flag='' cur=$PREFIX word
    local -i n=0 place=0 from
    local -a before found flags switches several numbers
    before=("${(@)words[2,CURRENT-1]}")
    if (( ${#before} == 0 )); then
        found=(
@DESCRIBED@
        )
        _describe -t verbs 'verb' found
        [[ $cur == -* ]] && compadd -- --help --version
        return
    fi
    verb=$before[1]
    case "$verb ${before[2]-}" in
        (@PAIRS@) verb="$before[1] $before[2]" ;;
    esac
    if (( ${#before} == 1 )) && [[ $cur != -* ]]; then
        case $verb in
@SUBVERBS@
        esac
        if (( ${#found} )); then
            _describe -t verbs 'verb' found
            return
        fi
    fi
    case $verb in
@TABLE@
        (*) return 1 ;;
    esac
    from=2
    [[ $verb == *' '* ]] && from=3
    for word in "${(@)before[from,-1]}"; do
        if [[ $word == --*=* ]]; then
            flag=${word%%=*} n=1
        elif [[ $word == --* ]]; then
            flag=$word n=0
        elif [[ -n $flag ]] && (( ! ${switches[(Ie)$flag]} && (n == 0 || ${several[(Ie)$flag]}) )); then
            n+=1
        else
            place+=1 flag=''
        fi
    done
    if [[ -z $flag ]] || (( ${switches[(Ie)$flag]} || (n > 0 && ! ${several[(Ie)$flag]}) )); then
        flag=$place
    fi
    if [[ $cur == --*=* ]]; then
        flag=${cur%%=*}
        compset -P 1 '*='
    elif [[ $cur == -* ]]; then
        compadd -a flags
        return
    fi
    (( ${numbers[(Ie)$flag]} )) && return 1
    case "$verb $flag" in
@VALUES@
    esac
    compadd -a found || _files
}
if [[ ${funcstack[1]-} == _alignkit ]]; then
    _alignkit "$@"
elif (( $+functions[compdef] )); then
    compdef _alignkit alignkit
else
    print -u2 'alignkit: run "autoload -Uz compinit && compinit" before this script'
fi
"""

_FISH = r"""
function __alignkit_complete
    set -l cur (string unescape -- (commandline -ct); or commandline -ct)
    set -l before (commandline -opc)[2..-1]
    set -l verb ''
    set -l flag ''
    set -l n 0
    set -l place 0
    set -l found
    set -l flags
    set -l switches
    set -l several
    set -l numbers
    if test (count $before) -eq 0
        printf '%s\n' @DESCRIBED@ --help --version
        return
    end
    set verb $before[1]
    if set -q before[2]
        switch "$before[1] $before[2]"
            case @PAIRS@
                set verb "$before[1] $before[2]"
        end
    end
    if test (count $before) -eq 1; and not string match -q -- '-*' $cur
        switch $verb
@SUBVERBS@
        end
        if set -q found[1]
            printf '%s\n' $found
            return
        end
    end
    switch $verb
@TABLE@
        case '*'
            return
    end
    set -l from 2
    string match -q -- '* *' $verb; and set from 3
    for word in $before[$from..-1]
        if string match -q -- '--*=*' $word
            set flag (string split -m 1 = -- $word)[1]
            set n 1
        else if string match -q -- '--*' $word
            set flag $word
            set n 0
        else if test -n "$flag"; and not contains -- $flag $switches; and begin
                test $n -eq 0; or contains -- $flag $several
            end
            set n (math $n + 1)
        else
            set place (math $place + 1)
            set flag ''
        end
    end
    if test -z "$flag"; or contains -- $flag $switches; or begin
            test $n -gt 0; and not contains -- $flag $several
        end
        set flag $place
    end
    set -l start ''
    if string match -q -- '--*=*' $cur
        set flag (string split -m 1 = -- $cur)[1]
        set start "$flag="
        set cur (string split -m 1 = -- $cur)[2]
    else if string match -q -- '-*' $cur
        printf '%s\n' $flags
        return
    end
    contains -- $flag $numbers; and return
    switch "$verb $flag"
@VALUES@
    end
    set found (string match -- "$cur*" $found)
    if set -q found[1]
        printf "$start%s\n" $found
    else
        set found (__fish_complete_path $cur)
        set -q found[1]; and printf "$start%s\n" $found
    end
end
complete -c alignkit -f -a '(__alignkit_complete)'
"""


def _bash(verbs: Sequence[VerbWords], version: str) -> str:
    rows = [f"{shlex.quote(verb.name)}) {_arrays(verb)} ;;" for verb in verbs]
    values = [f"{'|'.join(keys)}) words=({_joined(words)}) ;;" for words, keys in _values(verbs, _pattern).items()]
    heads = _heads(verbs)
    groups = [f"{head}) words=({_joined(tails)}) ;;" for head, tails in heads.items() if tails]
    return _filled(
        _BASH,
        "bash",
        version,
        HEADS=_joined(heads),
        PAIRS="|".join(shlex.quote(verb.name) for verb in verbs if " " in verb.name),
        SUBVERBS=_indented(groups, 16),
        TABLE=_indented(rows, 16),
        VALUES=_indented(values, 20),
    )


def _zsh(verbs: Sequence[VerbWords], version: str) -> str:
    rows = [f"({shlex.quote(verb.name)}) {_arrays(verb)} ;;" for verb in verbs]
    values = [f"({'|'.join(keys)}) found=({_joined(words)}) ;;" for words, keys in _values(verbs, _pattern).items()]
    groups = [
        f"({head}) found=({_joined(f'{tail}:{summary}' for tail, summary in tails.items())}) ;;"
        for head, tails in _heads(verbs).items()
        if tails
    ]
    described = [shlex.quote(f"{head}:{_summary(verbs, head)}") for head in _heads(verbs)]
    script = _filled(
        _ZSH,
        "zsh",
        version,
        DESCRIBED=_indented(described, 12),
        PAIRS="|".join(shlex.quote(verb.name) for verb in verbs if " " in verb.name),
        SUBVERBS=_indented(groups, 12),
        TABLE=_indented(rows, 8),
        VALUES=_indented(values, 8),
    )
    return f"#compdef alignkit\n{script}"


def _fish(verbs: Sequence[VerbWords], version: str) -> str:
    rows = []
    for verb in verbs:
        rows.append(f"case {_fish_word(verb.name)}")
        rows += [f"    set {name} {' '.join(map(_fish_word, getattr(verb, name)))}".rstrip() for name in _ARRAYS]
    values = []
    for words, keys in _values(verbs, _fish_pattern).items():
        values += [f"case {' '.join(keys)}", f"    set found {' '.join(map(_fish_word, words))}"]
    groups = []
    for head, tails in _heads(verbs).items():
        if tails:
            described = (_fish_word(f"{tail}\t{summary}") for tail, summary in tails.items())
            groups += [f"case {head}", f"    set found {' '.join(described)}"]
    return _filled(
        _FISH,
        "fish",
        version,
        DESCRIBED=" ".join(_fish_word(f"{head}\t{_summary(verbs, head)}") for head in _heads(verbs)),
        PAIRS=" ".join(_fish_word(verb.name) for verb in verbs if " " in verb.name),
        SUBVERBS=_indented(groups, 12),
        TABLE=_indented(rows, 8),
        VALUES=_indented(values, 8),
    )


#: The writer of each shell's script.
SCRIPTS: Mapping[str, Callable[[Sequence[VerbWords], str], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _heads(verbs: Sequence[VerbWords]) -> dict[str, dict[str, str]]:
    """Return the first words, each with the words that make verbs with it and what these do."""
    heads: dict[str, dict[str, str]] = {}
    for verb in verbs:
        head, _, tail = verb.name.partition(" ")
        heads.setdefault(head, {}).update({tail: verb.summary} if tail else {})
    return heads


def _summary(verbs: Sequence[VerbWords], head: str) -> str:
    """Return what a first word stands for: a verb's summary, or the verbs of a group."""
    tails = _heads(verbs)[head]
    return ", ".join(tails) if tails else next(verb.summary for verb in verbs if verb.name == head)


def _values(verbs: Sequence[VerbWords], quote: Callable[[str], str]) -> dict[tuple[str, ...], list[str]]:
    """Return the patterns of "VERB FLAG" by the words that may follow them: many flags share theirs."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for verb in verbs:
        for flag, words in verb.values.items():
            shared.setdefault(words, []).append(quote(f"{verb.name} {flag}"))
    return shared


def _pattern(key: str) -> str:
    """Return a pattern of bash and zsh for "VERB FLAG", where the flag may be "*": any place."""
    return f"{shlex.quote(key[:-1])}[0-9]*" if key.endswith(" *") else shlex.quote(key)


def _fish_pattern(key: str) -> str:
    """Return the same for fish, whose "*" would take flags for places."""
    start = key.removesuffix("*")
    return " ".join(_fish_word(f"{start}{place}") for place in range(10)) if start != key else _fish_word(key)


def _fish_word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _arrays(verb: VerbWords) -> str:
    return " ".join(f"{name}=({_joined(getattr(verb, name))})" for name in _ARRAYS)


def _joined(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


def _indented(rows: Iterable[str], n: int) -> str:
    return "\n".join(f"{' ' * n}{row}" for row in rows)


def _filled(template: str, shell: str, version: str, **parts: str) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return _HEAD.format(shell=shell, version=version) + template.strip("\n")
