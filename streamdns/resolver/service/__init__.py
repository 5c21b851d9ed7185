"""The resolver as a service: resolutions in flight, answers to clients, the roots, and how settings make it."""
