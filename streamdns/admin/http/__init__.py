"""The HTTP of the admin API: requests read strictly, limits, one table of routes, JSON in and out."""
