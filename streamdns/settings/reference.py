"""Writes the reference of all settings from their table: for `streamdns settings`, and as docs/settings.md."""

from __future__ import annotations

from streamdns.settings.row import Setting
from streamdns.settings.table import SETTINGS


def _default_text(setting: Setting) -> str:
    return setting.default or f"unset: {setting.unset_means}"


def reference() -> str:
    """Write the reference as plain text, for `streamdns settings`."""
    return "\n".join(
        f"{setting.name}\n    {setting.description}\n    default: {_default_text(setting)}\n"
        f"    allowed: {setting.allowed}{_notes(setting, lead=chr(10) + '    ')}\n"
        for setting in SETTINGS
    )


def markdown() -> str:
    """Write the page docs/settings.md."""
    head = (
        "# Settings\n\n"
        "Made from the table in streamdns/settings/table.py by docs/generate.py; change it there.\n\n"
        "Settings are environment variables. `--env-file FILE` reads the same names from a file in the syntax of "
        "systemd's EnvironmentFile\n(`NAME=VALUE`, comments with `#` and `;`, single and double quotes, a backslash "
        "at the end of a line continues it, no expansion);\nthe environment wins. An empty value counts as unset. An "
        "unknown `DNS_*` name is a warning, a value that is not allowed is an error.\n"
    )
    return head + "".join(
        f"\n## {setting.name}\n\n{setting.description}\n\n"
        f"- Default: {f'`{setting.default}`' if setting.default else _default_text(setting)}\n"
        f"- Allowed: {setting.allowed.replace('<', '&lt;')}\n- Since: {setting.since}\n"
        + _notes(setting, lead="- ", end="\n")
        for setting in SETTINGS
    )


def _notes(setting: Setting, *, lead: str, end: str = "") -> str:
    notes = [
        *([f"An empty value: {setting.empty}."] if setting.empty else []),
        *(["Secret: never shown or logged."] if setting.secret else []),
        *(["Read again at SIGHUP."] if setting.reload else []),
    ]
    return "".join(f"{lead}{note}{end}" for note in notes)
