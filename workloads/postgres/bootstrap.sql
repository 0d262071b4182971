-- Run once, by Patroni, on the primary of a new shard: the roles, and the database of the application.
-- A failing statement must not write a password to the log, hence the first line.
SET log_min_error_statement = panic;
SET password_encryption = 'scram-sha-256';

\set owner_password `cat /etc/caisson/credentials/owner`
\set app_password `cat /etc/caisson/credentials/app`

CREATE ROLE caisson_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE caisson_app LOGIN PASSWORD :'app_password';
-- As whom members come to each other: of two roles each, the second with the rights of the first, Patroni lets in the one that the
-- Secret names, right after this. Which that is changes on request.
CREATE ROLE caisson_replication REPLICATION;
CREATE ROLE caisson_replication_b REPLICATION IN ROLE caisson_replication;
CREATE ROLE caisson_rewind;
CREATE ROLE caisson_rewind_b IN ROLE caisson_rewind;
-- What the initial copy of a subscription reads.
GRANT pg_read_all_data TO caisson_replication;
-- What pg_rewind reads, by way of this database.
GRANT EXECUTE ON FUNCTION
  pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean),
  pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO caisson_rewind;

CREATE DATABASE app OWNER caisson_owner;
REVOKE ALL ON DATABASE app FROM PUBLIC;
GRANT CONNECT ON DATABASE app TO caisson_app, caisson_replication;
GRANT TEMPORARY ON DATABASE app TO caisson_app;

\connect app
SET log_min_error_statement = panic;
-- The owner of a database owns its schema public by way of pg_database_owner, and is the only one that may create there.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO caisson_owner;
GRANT USAGE ON SCHEMA public TO caisson_app, caisson_replication;
-- No TRUNCATE: it passes by the row triggers that guard a bucket which has moved away.
ALTER DEFAULT PRIVILEGES FOR ROLE caisson_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO caisson_app;
ALTER DEFAULT PRIVILEGES FOR ROLE caisson_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO caisson_app;
