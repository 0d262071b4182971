-- What the application's role may do with the ids of a shard (ids.sql, which any other PostgreSQL has too). Nothing is ever removed.
GRANT SELECT, INSERT, UPDATE ON caisson.id_spaces, caisson.id_workers, caisson.id_segments, caisson.id_rollbacks TO caisson_app;
