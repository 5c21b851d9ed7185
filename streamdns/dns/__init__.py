"""The rules of DNS as pure functions: names, RDATA, messages, and the answer to a query from one snapshot."""
