-- Lock spaces on PostgreSQL, safe to run again. docs/reference/lock-stores.md says what is kept and why; the operator's
-- effects/postgres/locks.sql and the SDK's locks/database/locks.sql are the same file.
CREATE SCHEMA IF NOT EXISTS caisson;

-- `base` is added to the server's timeline to make the epoch of tokens. `system` is the cluster that this was written on: on
-- another one (a dump that was restored) a space grants nothing before its base is raised, by the operator where it is
-- managed, else by whoever comes first.
CREATE TABLE IF NOT EXISTS caisson.lock_space (
    space text PRIMARY KEY, base int NOT NULL DEFAULT 0, is_managed bool NOT NULL, system bigint NOT NULL
);
-- A row for each name, never removed: its counter is the lower part of the tokens. Locking the row is how all that changes
-- the claims of a name takes turns.
CREATE TABLE IF NOT EXISTS caisson.lock_name (
    space text, name text, counter bigint NOT NULL DEFAULT 0, waited bigint NOT NULL DEFAULT 0, PRIMARY KEY (space, name)
);
-- Who holds (has a token) and who waits (has none), in the order of their tickets.
CREATE TABLE IF NOT EXISTS caisson.lock_claim (
    space text, name text, owner text, mode text NOT NULL CHECK (mode IN ('exclusive', 'shared', 'permit')),
    permits int NOT NULL, ticket bigint GENERATED ALWAYS AS IDENTITY, channel text NOT NULL,
    token bigint, held_since timestamptz, expires_at timestamptz NOT NULL, PRIMARY KEY (space, name, owner)
);
-- Whatever the functions below may get wrong: two never hold a lock exclusively.
CREATE UNIQUE INDEX IF NOT EXISTS lock_claim_exclusive ON caisson.lock_claim (space, name)
    WHERE mode = 'exclusive' AND token IS NOT NULL;

CREATE OR REPLACE FUNCTION caisson.lock_version() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';

-- The one clock of all leases.
CREATE OR REPLACE FUNCTION caisson.lock_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()';

-- The upper part of tokens. The timeline rises with every promotion and every recovery to a point in time, so that counters
-- which were lost with it do not let tokens go back. SQLSTATE CS020: the space does not exist here, or its base must be raised.
CREATE OR REPLACE FUNCTION caisson.lock_epoch(of_space text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found caisson.lock_space;
    here bigint := (SELECT system_identifier FROM pg_control_system());
BEGIN
    SELECT * INTO found FROM caisson.lock_space WHERE space = of_space;
    IF found IS NULL OR (found.is_managed AND found.system <> here) THEN
        RAISE EXCEPTION 'the epoch of lock space % has not been raised on this server', of_space USING ERRCODE = 'CS020';
    END IF;
    IF found.system <> here THEN
        UPDATE caisson.lock_space SET base = base + 4096, system = here WHERE space = of_space AND system <> here;
        SELECT * INTO found FROM caisson.lock_space WHERE space = of_space;
    END IF;
    RETURN found.base + ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint;
END $$;

-- Opens a space, with epochs above `lowest_base`; does nothing where it is open so. Of a managed space the operator vouches that it may
-- be used on this cluster; whoever else comes makes it if it is not there, and no more.
CREATE OR REPLACE FUNCTION caisson.lock_open(of_space text, managed bool, lowest_base int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE here bigint := (SELECT system_identifier FROM pg_control_system());
BEGIN
    INSERT INTO caisson.lock_space (space, base, is_managed, system) VALUES (of_space, lowest_base, managed, here)
        ON CONFLICT DO NOTHING;
    IF managed THEN
        UPDATE caisson.lock_space
            SET is_managed = true, system = here, base = greatest(lowest_base, CASE system WHEN here THEN base ELSE base + 4096 END)
            WHERE space = of_space AND (NOT is_managed OR system <> here OR base < lowest_base);
    END IF;
    RETURN caisson.lock_epoch(of_space);
END $$;

-- Begins whatever changes the claims of a name, and returns the time that counts for all of it.
CREATE OR REPLACE FUNCTION caisson.lock_enter(of_space text, of_name text) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM caisson.lock_name WHERE space = of_space AND name = of_name FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO caisson.lock_name (space, name) VALUES (of_space, of_name) ON CONFLICT DO NOTHING;
        PERFORM FROM caisson.lock_name WHERE space = of_space AND name = of_name FOR UPDATE;
    END IF;
    RETURN caisson.lock_now();
END $$;

CREATE OR REPLACE FUNCTION caisson.lock_next_token(of_space text, of_name text, has_waited bool) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE next bigint;
BEGIN
    UPDATE caisson.lock_name SET counter = counter + 1, waited = waited + has_waited::int
        WHERE space = of_space AND name = of_name RETURNING counter INTO next;
    RETURN caisson.lock_epoch(of_space) << 40 | next;
END $$;

-- Whether a claim may hold beside those who hold now.
CREATE OR REPLACE FUNCTION caisson.lock_is_free(of_space text, of_name text, by_mode text, by_permits int) RETURNS bool LANGUAGE sql AS $$
    SELECT CASE by_mode
        WHEN 'permit' THEN count(*) FILTER (WHERE mode = 'permit') < by_permits
        WHEN 'shared' THEN NOT coalesce(bool_or(mode = 'exclusive'), false)
        ELSE NOT coalesce(bool_or(mode <> 'permit'), false) END
    FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND token IS NOT NULL
$$;

-- Forgets who has run out of time, and lets in from the front of the queue whoever may hold now. Nobody is let in past one who
-- may not. Who is let in has until the end of its present time to say that it lives: many who died cost one lease together.
CREATE OR REPLACE FUNCTION caisson.lock_settle(of_space text, of_name text, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    claim caisson.lock_claim;
    granted bigint;
    is_lock_stuck bool := false;
    is_semaphore_stuck bool := false;
BEGIN
    DELETE FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND expires_at <= at;
    FOR claim IN
        SELECT * FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND token IS NULL ORDER BY ticket
    LOOP
        CONTINUE WHEN (claim.mode = 'permit' AND is_semaphore_stuck) OR (claim.mode <> 'permit' AND is_lock_stuck);
        EXIT WHEN is_lock_stuck AND is_semaphore_stuck;
        IF caisson.lock_is_free(of_space, of_name, claim.mode, claim.permits) THEN
            granted := caisson.lock_next_token(of_space, of_name, true);
            UPDATE caisson.lock_claim SET token = granted, held_since = at
                WHERE space = of_space AND name = of_name AND owner = claim.owner;
            PERFORM pg_notify(claim.channel, granted || ' ' || claim.owner);
        ELSIF claim.mode = 'permit' THEN
            is_semaphore_stuck := true;
        ELSE
            is_lock_stuck := true;
        END IF;
    END LOOP;
END $$;

-- The token if the claim is granted now, else NULL and no trace. Asking again is safe: it is the same token.
CREATE OR REPLACE FUNCTION caisson.lock_try(
    of_space text, of_name text, by_owner text, by_mode text, by_permits int, by_channel text, lease_seconds float8, is_fair bool
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := caisson.lock_enter(of_space, of_name);
    mine bigint;
BEGIN
    PERFORM caisson.lock_settle(of_space, of_name, at);
    UPDATE caisson.lock_claim SET expires_at = at + lease_seconds * interval '1 second'
        WHERE space = of_space AND name = of_name AND owner = by_owner AND token IS NOT NULL RETURNING token INTO mine;
    IF mine IS NOT NULL OR NOT caisson.lock_is_free(of_space, of_name, by_mode, by_permits) THEN
        RETURN mine;
    END IF;
    IF is_fair AND EXISTS (
        SELECT FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND token IS NULL
            AND (mode = 'permit') = (by_mode = 'permit')
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO caisson.lock_claim (space, name, owner, mode, permits, channel, token, held_since, expires_at)
        VALUES (of_space, of_name, by_owner, by_mode, by_permits, by_channel,
            caisson.lock_next_token(of_space, of_name, false), at, at + lease_seconds * interval '1 second')
        RETURNING token INTO mine;
    RETURN mine;
END $$;

-- Joins the queue, or says that one who is in it lives. The token if the claim is granted; else, in seconds, how long those
-- who hold have left at least: earlier than that, a waiter is woken by a notification of its channel with its token and name. `newest`
-- is the last token that was given so far: a notification with no greater one is late, and of a claim that has run out meanwhile.
CREATE OR REPLACE FUNCTION caisson.lock_wait(
    of_space text, of_name text, by_owner text, by_mode text, by_permits int, by_channel text, lease_seconds float8,
    OUT granted bigint, OUT left_seconds float8, OUT newest bigint
) LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := caisson.lock_enter(of_space, of_name);
    until timestamptz := at + lease_seconds * interval '1 second';
BEGIN
    UPDATE caisson.lock_claim SET expires_at = until WHERE space = of_space AND name = of_name AND owner = by_owner;
    IF NOT FOUND THEN
        granted := caisson.lock_try(of_space, of_name, by_owner, by_mode, by_permits, by_channel, lease_seconds, true);
        IF granted IS NOT NULL THEN
            RETURN;
        END IF;
        INSERT INTO caisson.lock_claim (space, name, owner, mode, permits, channel, expires_at)
            VALUES (of_space, of_name, by_owner, by_mode, by_permits, by_channel, until);
    ELSE
        PERFORM caisson.lock_settle(of_space, of_name, at);
    END IF;
    SELECT token INTO granted FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND owner = by_owner;
    SELECT extract(epoch FROM min(expires_at) - at) INTO left_seconds FROM caisson.lock_claim
        WHERE space = of_space AND name = of_name AND token IS NOT NULL AND (mode = 'permit') = (by_mode = 'permit');
    SELECT caisson.lock_epoch(of_space) << 40 | counter INTO newest FROM caisson.lock_name WHERE space = of_space AND name = of_name;
END $$;

-- Begins the leases of all that are still held anew, and returns the owners of those.
CREATE OR REPLACE FUNCTION caisson.lock_renew(of_space text, names text[], owners text[], lease_seconds float8)
RETURNS SETOF text LANGUAGE sql AS $$
    UPDATE caisson.lock_claim AS claim SET expires_at = caisson.lock_now() + lease_seconds * interval '1 second'
    FROM unnest(names, owners) AS asked (name, owner)
    WHERE claim.space = of_space AND claim.name = asked.name AND claim.owner = asked.owner
        AND claim.token IS NOT NULL AND claim.expires_at > caisson.lock_now()
    RETURNING claim.owner
$$;

-- Ends a claim, held or waiting, and passes the lock on: whether it was held.
CREATE OR REPLACE FUNCTION caisson.lock_release(of_space text, of_name text, by_owner text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := caisson.lock_enter(of_space, of_name);
    was_held bool;
BEGIN
    DELETE FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND owner = by_owner
        RETURNING token IS NOT NULL AND expires_at > at INTO was_held;
    PERFORM caisson.lock_settle(of_space, of_name, at);
    RETURN coalesce(was_held, false);
END $$;

-- Takes the lock from all who hold the name, in any mode: how many did.
CREATE OR REPLACE FUNCTION caisson.lock_force(of_space text, of_name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := caisson.lock_enter(of_space, of_name);
    lost int;
BEGIN
    DELETE FROM caisson.lock_claim WHERE space = of_space AND name = of_name AND token IS NOT NULL;
    GET DIAGNOSTICS lost = ROW_COUNT;
    PERFORM caisson.lock_settle(of_space, of_name, at);
    RETURN lost;
END $$;
