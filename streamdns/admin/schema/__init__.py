"""The documents of the admin API as types: parameters of requests, and responses. It imports msgspec alone.

Moments are milliseconds since 1970 where they come from events or the view, and seconds where a field says so. Names
are in presentation form with the trailing dot. Pages have `next`, the cursor of the page behind; null at the end.
"""
