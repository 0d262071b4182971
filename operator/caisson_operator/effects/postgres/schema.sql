-- The schema `caisson` of a shard, safe to run again. docs/reference/shard-schema.md says who reads and writes what.
CREATE SCHEMA IF NOT EXISTS caisson;
GRANT USAGE ON SCHEMA caisson TO caisson_app, caisson_owner;

CREATE TABLE IF NOT EXISTS caisson.version (single bool PRIMARY KEY DEFAULT true CHECK (single), version int NOT NULL);
CREATE TABLE IF NOT EXISTS caisson.term (single bool PRIMARY KEY DEFAULT true CHECK (single), term bigint NOT NULL);
INSERT INTO caisson.term (term) VALUES (0) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS caisson.identity (
    single bool PRIMARY KEY DEFAULT true CHECK (single), shard text NOT NULL, database text NOT NULL
);
CREATE TABLE IF NOT EXISTS caisson.shards (
    shard text PRIMARY KEY, host text NOT NULL, port int NOT NULL, read_host text NOT NULL
);
CREATE TABLE IF NOT EXISTS caisson.tables (
    name text PRIMARY KEY, table_group text NOT NULL, key_columns text[] NOT NULL, key_types text[] NOT NULL,
    strategy text NOT NULL, buckets int NOT NULL
);
CREATE TABLE IF NOT EXISTS caisson.shard_map (
    table_group text, bucket int, owner text NOT NULL, epoch bigint NOT NULL, PRIMARY KEY (table_group, bucket)
);
CREATE TABLE IF NOT EXISTS caisson.migrations (
    id text PRIMARY KEY, position int NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
);

-- The persisted machine. `format`: a newer operator resumes an older format, an older one refuses a newer.
CREATE TABLE IF NOT EXISTS caisson.expansion (
    id int PRIMARY KEY, format int NOT NULL, state text NOT NULL, plan jsonb NOT NULL,
    pauses float8[] NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz
);
-- One row a switch group, on its target. `direction` leaves room for the way back.
CREATE TABLE IF NOT EXISTS caisson.switch_group (
    expansion int, number int, direction text NOT NULL DEFAULT 'forward',
    source_timeline int NOT NULL, target_timeline int NOT NULL,
    copy_started_at timestamptz NOT NULL DEFAULT clock_timestamp(), copied_at timestamptz, indexed_at timestamptz,
    row_count bigint NOT NULL DEFAULT 0, mismatches bigint NOT NULL DEFAULT 0, verified_at timestamptz,
    prepared_at timestamptz, switched_at timestamptz, pause_milliseconds float8,
    PRIMARY KEY (expansion, number)
);
CREATE TABLE IF NOT EXISTS caisson.verified_leaf (
    expansion int, number int, leaf text, row_count bigint NOT NULL, PRIMARY KEY (expansion, number, leaf),
    FOREIGN KEY (expansion, number) REFERENCES caisson.switch_group ON DELETE CASCADE
);

-- A key column inside this domain has no collation of its own: with it ATTACH accepts a CHECK in place of a scan.
DO $$ BEGIN
    CREATE DOMAIN caisson.posix_text AS text COLLATE "POSIX";
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- SQLSTATEs of ours: CS001 the bucket moved, CS003 a leader of a later term has been here.
CREATE OR REPLACE FUNCTION caisson.moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bucket moved: %', TG_TABLE_NAME USING ERRCODE = 'CS001';
END $$;
CREATE OR REPLACE FUNCTION caisson.raise_moved() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bucket moved' USING ERRCODE = 'CS001';
END $$;

CREATE OR REPLACE FUNCTION caisson.enter_term(mine bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE latest bigint;
BEGIN
    SELECT term INTO latest FROM caisson.term;
    IF latest < mine THEN
        UPDATE caisson.term SET term = mine WHERE term < mine;
        SELECT term INTO latest FROM caisson.term;
    END IF;
    IF latest > mine THEN
        RAISE EXCEPTION 'a leader of term % has taken over from term %', latest, mine USING ERRCODE = 'CS003';
    END IF;
END $$;
REVOKE ALL ON FUNCTION caisson.enter_term(bigint) FROM PUBLIC;

GRANT SELECT ON caisson.identity, caisson.shards, caisson.tables, caisson.shard_map TO caisson_app;
GRANT SELECT ON caisson.term TO caisson_owner;
GRANT SELECT, INSERT ON caisson.migrations TO caisson_owner;
