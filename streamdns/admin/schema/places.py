"""How positions are written for people, by the API's clients as by the commands."""

from __future__ import annotations

from streamdns.events.message_id import position_text

__all__ = ["position_text"]
