-- What the application's role may do with the locks of a shard (locks.sql, which any other PostgreSQL has too).
GRANT SELECT, INSERT, UPDATE, DELETE ON caisson.lock_space, caisson.lock_name, caisson.lock_claim TO caisson_app;
