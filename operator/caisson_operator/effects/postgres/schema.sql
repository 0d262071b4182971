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
ALTER TABLE caisson.shards ADD COLUMN IF NOT EXISTS members_host text;
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

-- SQLSTATEs of ours: CS001 the bucket moved, CS003 a leader of a later term has been here, CS004 a later holder of the lock has.
CREATE OR REPLACE FUNCTION caisson.moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bucket moved: %', TG_TABLE_NAME USING ERRCODE = 'CS001';
END $$;
CREATE OR REPLACE FUNCTION caisson.raise_moved() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bucket moved' USING ERRCODE = 'CS001';
END $$;

-- One statement under an idempotency key, in one round trip of the client's: runs it, stores how many rows it touched, and returns
-- that. NULL, and nothing done, where the key has been used. For statements that return no rows.
CREATE OR REPLACE FUNCTION caisson.execute_once(table_group text, bucket int, key text, statement text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    keys text := format('caisson.%I', 'idempotency_' || table_group);
    is_used bool;
    touched bigint;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE bucket = $1 AND key = $2)', keys) INTO is_used USING bucket, key;
    IF is_used THEN
        RETURN NULL;
    END IF;
    EXECUTE statement;
    GET DIAGNOSTICS touched = ROW_COUNT;
    EXECUTE format('INSERT INTO %s (bucket, key, result) VALUES ($1, $2, $3)', keys)
        USING bucket, key, jsonb_build_object('rowcount', touched);
    RETURN touched;
END $$;

-- Refuses, with CS004, who holds a lock no longer: the bucket has seen a greater token of it. Otherwise the token is seen from now on.
-- It comes before everything in its transaction: two holders take turns here, and what the later one reads it reads after the turn of
-- the earlier. Kept where the bucket keeps its idempotency keys, so that it moves with the bucket. As the owner, so that nobody else
-- can set a token back.
CREATE OR REPLACE FUNCTION caisson.raise_fence(table_group text, bucket int, lock text, token bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    fences text := format('caisson.%I', 'idempotency_' || table_group);
    fence text := 'caisson:fence:' || lock;
    seen bigint;
    touched bigint;
BEGIN
    EXECUTE format('SELECT result::bigint FROM %s WHERE bucket = $1 AND key = $2 FOR UPDATE', fences) INTO seen USING bucket, fence;
    IF seen = token THEN
        RETURN;
    END IF;
    EXECUTE format('INSERT INTO %s AS own (bucket, key, result) VALUES ($1, $2, to_jsonb($3)) ON CONFLICT (bucket, key)
        DO UPDATE SET result = excluded.result, at = now() WHERE own.result::bigint <= $3', fences) USING bucket, fence, token;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched = 0 THEN
        RAISE EXCEPTION 'lock % has been granted to another since token %', lock, token USING ERRCODE = 'CS004';
    END IF;
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

-- Waits for a sentinel's beat, which a subscription brings; false: not in time. Here, since writers wait meanwhile, and every
-- look from outside would cost them a round trip.
CREATE OR REPLACE FUNCTION caisson.await_beat(sentinel text, beat bigint, seconds float8) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    applied bigint;
    deadline timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
    LOOP
        EXECUTE format('SELECT max(beat) FROM caisson.%I', sentinel) INTO applied;
        IF applied >= beat THEN
            RETURN true;
        END IF;
        IF clock_timestamp() > deadline THEN
            RETURN false;
        END IF;
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION caisson.await_beat(text, bigint, float8) FROM PUBLIC;

GRANT SELECT ON caisson.identity, caisson.shards, caisson.tables, caisson.shard_map TO caisson_app;
GRANT SELECT ON caisson.term TO caisson_owner;
GRANT SELECT, INSERT ON caisson.migrations TO caisson_owner;
