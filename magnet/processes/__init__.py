"""Processes: what starts, watches and ends the web and the workers."""
