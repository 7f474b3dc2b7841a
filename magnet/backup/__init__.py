"""Backup: a whole Magnet in one file, and back."""
