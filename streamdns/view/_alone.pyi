from collections.abc import Sequence
from typing import Any

from streamdns.events.batch import Record
from streamdns.view.transaction import WriteTransaction

def put_alone(
    txn: WriteTransaction, records: Sequence[Record], events: Sequence[Any], number: int, topic: int,
    changes: list[Any], /,
) -> int: ...
