"""The expansion machine against fake shards: crashes after every effect, failovers, stale clients, late rows."""
