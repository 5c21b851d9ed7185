"""The route that shows the settings in effect."""

from __future__ import annotations

from streamdns.admin.http.route import Call, Role, Route
from streamdns.admin.node import Node
from streamdns.admin.schema.state import Setting, SettingsList
from streamdns.settings.table import SETTINGS


def routes(node: Node) -> tuple[Route, ...]:
    """Return the row of the settings."""

    def settings(_: Call) -> SettingsList:
        """Return every setting in effect, with secrets masked."""
        effective = node.settings()
        values = effective.masked()
        return SettingsList(settings=[
            Setting(
                name=row.name, value=values[row.name], given=row.name in effective.given, default=row.default,
                description=row.description, since=row.since, secret=row.secret, reload=row.reload,
            )
            for row in SETTINGS
        ])

    return (
        Route("GET", "/v1/settings", settings, "Settings in effect, secrets masked", SettingsList,
              role=Role.OPERATOR, unscoped=True),
    )
