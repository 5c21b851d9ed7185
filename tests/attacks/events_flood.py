"""Good events, as many as a busy producer sends in its worst hour."""

from tests.attacks.producing import produce
from tests.attacks.target import Target

WHAT = "5,000 good events a second"


def run(target: Target) -> None:
    """Of ten thousand names, over and over."""
    def event(number: int) -> tuple[bytes, bytes]:
        owner = b"flood%d.example.org." % (number % 10_000)
        address = b"10.1.%d.%d" % (number >> 8 & 255, number & 255)
        return owner + b"|A", b'[{"name":"%b","type":"A","content":"%b"}]' % (owner, address)

    produce(target, event, rate=5000, most=1 << 30)
