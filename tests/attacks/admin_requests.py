"""Requests for what costs most, as fast as they are answered."""

from tests.attacks.requests import ask
from tests.attacks.target import Target

WHAT = "metrics, journal, zones, OpenAPI, settings and what does not exist, 12 at a time"


def run(target: Target) -> None:
    """All that anybody may ask for."""
    ask(target, ["/metrics", "/v1/metrics", "/v1/journal?limit=1000", "/v1/zones?limit=1000", "/v1/openapi.json",
                 "/v1/settings", "/v1/quarantine", "/v1/conflicts", "/v1/status", "/v1/nope", "/health",
                 "/v1/digest/example.org"], at_once=12)
