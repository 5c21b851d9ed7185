"""The iterative resolver: finds names outside our zones by asking the name servers of their zones."""
