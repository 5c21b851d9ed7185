"""Entry point: `streamdns` and `python -m streamdns`. The only place that patches the standard library for gevent."""

from __future__ import annotations

import sys

from streamdns import cli


def _patch() -> None:
    from gevent import monkey

    monkey.patch_all()


def main() -> int:
    """Run the command line of this process; only `run` needs gevent, and has it patched in before anything else."""
    return cli.main(sys.argv[1:], before_run=_patch)


if __name__ == "__main__":
    sys.exit(main())
