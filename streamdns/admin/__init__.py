"""The admin API: HTTP, who may use it, the handlers, and what nodes say to each other."""
