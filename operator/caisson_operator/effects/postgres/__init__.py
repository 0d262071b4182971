"""Effects on a shard's PostgreSQL, and reads of its catalogs. The only place that speaks SQL.

Each effect is safe to repeat, and takes names and connections, never a room's step: rooms call down, nothing here calls up.
"""
