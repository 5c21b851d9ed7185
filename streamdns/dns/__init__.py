"""DNS: names, RDATA, messages, answers and the servers that send them."""
