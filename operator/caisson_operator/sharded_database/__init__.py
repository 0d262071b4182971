"""The room of ShardedDatabase: PostgreSQL shards that expand online under live traffic.

observe (reads only) -> decide (pure) -> act (maps each step to an effect). `expansion` is the machine that moves
buckets; `placement` says which bucket belongs where; `provisioning` and `schema` bring a shard to where it can hold one.
"""
