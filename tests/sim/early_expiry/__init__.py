"""A slow but living primary A, a standby B that takes over early, a third member C: nothing acknowledged may be lost.

    store.py     the two records, with compare-and-set
    member.py    a PostgreSQL of rows and acknowledgements
    patroni.py   Patroni's cycle, cut where others may come between
    agent.py     the real decisions of early expiry, and their steps one by one
    world.py     all of it, and the checker

Left out: that a record runs out by ttl. A leader that wakes after 20 s between its renewal and its write to the sync
record is the same race without our touch, and Patroni's own.
"""
