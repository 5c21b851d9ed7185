"""Notes until SIGTERM when a bare confluent-kafka consumer receives each event: the lower limit for every reader.

`python -m benchmarks.receiver ADDRESS TOPIC PARTITIONS`. Writes "ready", and at its end the address in each event and
the second of the monotonic clock, which is the same one in all processes, as a JSON object.
"""

from __future__ import annotations

import json
import signal
import sys
import time

import confluent_kafka as ck
import msgspec

_WAIT_S = 0.5


class _Address(msgspec.Struct):
    content: str


def main() -> None:
    """Read the arguments, receive, report."""
    address, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
    consumer = ck.Consumer({"bootstrap.servers": address, "group.id": "bare", "enable.auto.commit": False,
                            "auto.offset.reset": "error", "fetch.queue.backoff.ms": 5})
    parts = [ck.TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign([ck.TopicPartition(topic, part.partition, consumer.get_watermark_offsets(part, 10.0)[1])
                     for part in parts])
    stopping: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(time.monotonic()))
    consumer.poll(_WAIT_S)
    print("ready", flush=True)
    received: list[tuple[bytes | None, float]] = []
    while not stopping or time.monotonic() < stopping[0] + _WAIT_S:
        message = consumer.poll(_WAIT_S)
        if message is not None and message.error() is None:
            received.append((message.value(), time.monotonic()))
    decode = msgspec.json.Decoder(list[_Address]).decode
    print(json.dumps({decode(value)[0].content: at for value, at in received if value}), flush=True)


if __name__ == "__main__":
    main()
