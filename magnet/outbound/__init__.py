"""The one way out: addresses that may be reached, checked transports, and the HTTP client."""
