"""The HTTP API of the ground floor: one NinjaAPI, and a router for each noun."""
