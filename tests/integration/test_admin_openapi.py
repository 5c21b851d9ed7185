"""The description of the admin API: valid, complete, and true as schemathesis sees it."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import Server

SECRET = "a secret of the tests, of more than 32 octets"
SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
#: An endless answer; one that waits; and the one that ends the token which all others are asked with.
LEFT_OUT = ("/v1/journal/stream", "/v1/wait", "/signout")
LEAST_CASES = 500
#: Too long a query is refused by its length, before anything looks at what it says.
REFUSALS = [400, 401, 403, 404, 405, 409, 414, 415, 429, 431]
CONFIGURATION = f"""\
[checks.negative_data_rejection]
expected-statuses = {REFUSALS}
"""


def described(server: Server) -> dict[str, Any]:
    """What a server says of itself."""
    code, body = server.get("/v1/openapi.json")
    assert code == 200
    document: dict[str, Any] = json.loads(body)
    return document


def test_the_description_is_valid(start: Callable[..., Server]) -> None:
    """OpenAPI 3.1, as its validator sees it."""
    validation = pytest.importorskip("openapi_spec_validator", reason="requirements-api.txt is not installed")
    document = described(start())
    assert document["openapi"].startswith("3.1.")
    assert list(validation.OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_schema_is_used(start: Callable[..., Server]) -> None:
    """No component stands there for nothing, and none is missing."""
    document = described(start())
    referenced = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert referenced == set(document["components"]["schemas"])


def test_every_operation_says_who_may(start: Callable[..., Server]) -> None:
    """Roles, and that nothing which changes something is for everybody."""
    operations = [
        (path, method, operation)
        for path, methods in described(start())["paths"].items() for method, operation in methods.items()
    ]
    public = {path for path, _, operation in operations if operation["x-role"] == "public"}
    assert public == {"/health", "/ready", "/signin"}
    for path, method, operation in operations:
        assert (operation.get("security") == []) == (path in public)
        if method != "get" and path not in ("/signin", "/signout"):
            assert operation["x-role"] in ("operator", "admin"), path


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_schemathesis_finds_no_fault(start: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    """Every operation with generated data, in and out of its description: no status, type or document that is not
    described, no 5xx, nothing without a token.

    That all valid data is accepted is not asked for: what a domain name is, no JSON Schema can say.
    """
    if not SCHEMATHESIS.exists() and shutil.which("schemathesis") is None:
        pytest.skip("requirements-api.txt is not installed")
    server = start(DNS_ADMIN_JWTSECRET=SECRET, DNS_ADMIN_REVOKED=str(tmp_path / "revoked.json"),
                   DNS_RECURSION_ALLOW="192.0.2.0/24")
    token = server.command("token", "create", "--role", "admin").stdout.strip()
    left_out = [word for path in LEFT_OUT for word in ("--exclude-path", path)]
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    done = subprocess.run(
        [
            str(SCHEMATHESIS), "--config-file", str(configuration), "run", f"http://127.0.0.1:{server.admin_port}/v1/openapi.json",
            "--header", f"Authorization: Bearer {token}", *left_out, "--max-examples", "12", "--no-color",
            "--exclude-checks", "positive_data_acceptance", "--generation-deterministic", "--request-timeout", "20",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )
    told = "\n".join(line[:300] for line in (done.stdout + done.stderr).splitlines()[-150:])
    assert done.returncode == 0, told
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None
    operations = sum(len(methods) for methods in _described_by(server, token)["paths"].values())
    # What it was given as the description is not among what it tests.
    assert int(tested[1]) == operations - len(LEFT_OUT) - 1
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases is not None
    assert int(cases[1]) == int(cases[2]) > LEAST_CASES
    # The examples of the description are there, so that what is asked of zones and names is not all in vain.
    assert re.search(r"Examples \(in [^)]*\)\s+.\s+[1-9]\d* passed", done.stdout), told


def _described_by(server: Server, token: str) -> dict[str, Any]:
    done = subprocess.run(
        ["curl", "--silent", "--fail", "-H", f"Authorization: Bearer {token}",
         f"http://127.0.0.1:{server.admin_port}/v1/openapi.json"],
        capture_output=True, check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document
