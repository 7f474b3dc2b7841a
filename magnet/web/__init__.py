"""What stands between a connection and a view: entrance, keys, limits, problems, streams, health."""
