"""The room of BackingCluster: Redis (replicated under Sentinel, or independent primaries) and ZooKeeper ensembles.

Failover is Sentinel's and ZooKeeper's own, and goes on while no operator runs. The operator makes the members, adds and takes
them away one at a time while a majority is well, restarts those that are out of date, and tells what it sees.
"""
