"""What may happen to a shard, done to a real one on kind, with what must come of it beside each.

`table` names the faults, `rounds` does one under a workload, `checker` judges what the workload recorded. `make test`
does one round of each (tests/e2e/test_faults.py), `make bench ONLY=failover` as many as are asked for.
"""
