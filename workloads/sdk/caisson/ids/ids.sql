-- What allocators of ids keep in PostgreSQL, safe to run again. docs/decisions/2026-11-27-ids-own-their-time.md says why it is enough; the
-- operator's effects/postgres/ids.sql and the SDK's ids/ids.sql are the same file.
CREATE SCHEMA IF NOT EXISTS caisson;

-- A space keeps the mode and the layout that it was made with: ids of others might coincide with those that are out.
CREATE TABLE IF NOT EXISTS caisson.id_spaces (space text PRIMARY KEY, mode text NOT NULL, layout text NOT NULL);
-- A row for each worker id that was ever used, never removed. Only a claim changes `owner`; only the owner moves `reserved_until`
-- (milliseconds of Unix time); nobody ever moves that back.
CREATE TABLE IF NOT EXISTS caisson.id_workers (
    space text, worker int, owner text NOT NULL, lease_until timestamptz NOT NULL, reserved_until bigint NOT NULL,
    PRIMARY KEY (space, worker)
);
CREATE TABLE IF NOT EXISTS caisson.id_segments (space text PRIMARY KEY, next_id bigint NOT NULL);
-- For people: the last owner of a worker id whose wall clock went back, when, how often and how far. No id depends on it.
CREATE TABLE IF NOT EXISTS caisson.id_rollbacks (
    space text, worker int, teller text NOT NULL, times bigint NOT NULL, furthest_ms bigint NOT NULL, seen_at timestamptz NOT NULL,
    PRIMARY KEY (space, worker)
);
