"""`python -m streamdns_console`: the same as `streamdns-console`."""

import sys

from .cli import main

sys.exit(main())
