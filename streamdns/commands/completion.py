"""`streamdns completion`: what a shell needs to complete commands and options, made from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

_BASH = """\
# Completion of streamdns for bash: source this file, or put it into bash-completion's directory as "streamdns".
_streamdns() {
    local word=${COMP_WORDS[COMP_CWORD]} command= each
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $each in
            -*) ;;
            *) case " %(commands)s " in *" $each "*) command=$each; break ;; esac ;;
        esac
    done
    case $command in
%(cases)s
        *) COMPREPLY=($(compgen -W "%(commands)s %(options)s" -- "$word")) ;;
    esac
    [[ ${#COMPREPLY[@]} -eq 0 && $word != -* ]] && COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _streamdns streamdns
"""

_ZSH = """\
#compdef streamdns
# Completion of streamdns for zsh: put this file into a directory of $fpath as "_streamdns".
_streamdns() {
    local -a commands
    commands=(
%(described)s
    )
    local command=${words[(r)(%(pattern)s)]}
    case $command in
%(cases)s
        *) _describe command commands; compadd -- %(options)s ;;
    esac
}
_streamdns "$@"
"""


def script(shell: str, parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """The completion for bash or zsh."""
    words = {name: _words(command) for name, command in commands.items()}
    options = " ".join(_words(parser))
    names = " ".join(sorted(commands))
    if shell == "bash":
        cases = "\n".join(
            f'        {name}) COMPREPLY=($(compgen -W "{" ".join(found)}" -- "$word")) ;;'
            for name, found in words.items()
        )
        return _BASH % {"commands": names, "options": options, "cases": cases}
    cases = "\n".join(f"        {name}) compadd -- {' '.join(found)}; _files ;;" for name, found in words.items())
    described = "\n".join(f"        '{name}:{_summary(parser, name)}'" for name in sorted(commands))
    return _ZSH % {"described": described, "pattern": "|".join(sorted(commands)), "cases": cases, "options": options}


def _words(parser: argparse.ArgumentParser) -> Sequence[str]:
    """Options, and the words that a positional argument may be."""
    found: list[str] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            continue
        found += [option for option in action.option_strings if option.startswith("--")]
        if not action.option_strings and action.choices is not None:
            found += [str(choice) for choice in action.choices]
    return found


def _summary(parser: argparse.ArgumentParser, name: str) -> str:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for choice in action._choices_actions:  # noqa: SLF001
                if choice.dest == name:
                    return (choice.help or "").replace("'", "").replace(":", " -")
    return ""
