"""How topics and positions are written for people and read, by the API's clients as by the commands."""

from __future__ import annotations

from streamdns.events.message_id import position_of, position_text, topic_text

__all__ = ["position_of", "position_text", "topic_text"]
