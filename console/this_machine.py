"""Finds the node of this machine, and a token for it, by asking `streamdns endpoint`.

That command reads the settings that the server reads, and signs a token with their key for whoever may read it. It is a
process of its own: the console shares no code with the server but the documents of the admin API.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import msgspec

_PATIENCE_S: Final = 20.0


class ThisMachine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the admin API is, a token for it ("" for none), and certificates to trust ("" for the system's)."""

    url: str
    token: str
    ca: str


async def find(env_file: str) -> ThisMachine:
    """The node of the settings in the environment and in `env_file`, if any; raises ValueError with a sentence."""
    command = [sys.executable, "-m", "streamdns", "endpoint", "--json"]
    if env_file:
        command += ["--env-file", env_file]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        told, problems = await asyncio.wait_for(process.communicate(), _PATIENCE_S)
    except TimeoutError:
        raise ValueError(f"streamdns endpoint says nothing within {_PATIENCE_S:.0f} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(told, type=ThisMachine)
    except msgspec.MsgspecError:
        lines = problems.decode(errors="replace").splitlines()
        why = "; ".join(line.removeprefix("streamdns: ") for line in lines) or f"exit status {process.returncode}"
        raise ValueError(f"the settings of this machine's node cannot be used: {why}") from None


async def fresh_token(env_file: str) -> str:
    """Another token for the node of this machine; "" where there is none, whatever the reason is."""
    try:
        return (await find(env_file)).token
    except (ValueError, OSError):
        return ""
