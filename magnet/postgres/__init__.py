"""The embedded PostgreSQL: where it lives, who guards it, and whether any database fits."""
