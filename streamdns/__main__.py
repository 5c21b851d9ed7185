"""The entry point of `streamdns` and `python -m streamdns`; no other module patches the standard library for gevent."""

from __future__ import annotations

import sys

from streamdns import cli


def _patch() -> None:
    from gevent import monkey

    monkey.patch_all()


def main() -> int:
    """Run the command line; only `run` needs gevent, and patches the standard library before it imports anything."""
    return cli.main(sys.argv[1:], before_run=_patch)


if __name__ == "__main__":
    sys.exit(main())
