"""HTTP of the admin API: strict reading of requests, limits, dispatch by a table of routes, JSON in and out."""
