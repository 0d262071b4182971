"""The agent beside each Redis server that raises the cluster's epoch before a new primary may serve locks.

A primary that has just become one may lack what its predecessor acknowledged, the newest grants of locks among it: counted on from
there, fencing tokens would be handed out twice. So they carry an epoch, and the epoch rises before a primary serves its first lock:

    server has become a primary (its replication id is not the one in the key caisson:epoch)
      -> the number in the ConfigMap CLUSTER-epoch is raised, by compare-and-set
      -> the number and the server's replication id are written into the key, by a script that looks once more

Whoever hands out tokens compares the key with the server's present replication id in the same script, and refuses while they
differ. Redis takes a new replication id whenever a replica is promoted and whenever a primary starts, so every way in which
a server may have lost something leads through here. A crash between the two steps wastes a number, and nothing else.
"""
