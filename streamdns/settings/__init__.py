"""The settings of a process: one table, with a file for each part, and the code that reads their values."""

from streamdns.addresses import Address
from streamdns.settings.reference import markdown, reference
from streamdns.settings.row import Setting
from streamdns.settings.settings import Settings, changed, environment_of_workers, from_process, load
from streamdns.settings.table import SETTINGS

__all__ = [
    "SETTINGS", "Address", "Setting", "Settings", "changed", "environment_of_workers", "from_process", "load",
    "markdown", "reference",
]
