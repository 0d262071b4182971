"""A slow but living primary A, a standby B that takes over early or after ttl, a third member C: nothing acknowledged may be lost.

    store.py        the two records, with compare-and-set, and what is on its way to them
    connection.py   one member's way to the store: what its watch shows, and what becomes of its requests
    member.py       a PostgreSQL of rows and acknowledgements
    memory.py       what a member's Patroni remembers: since when it knows a record (ttl), with whom it bears (failsafe mode)
    patroni.py      Patroni's cycle, cut where others may come between; replication.py and failsafe.py are parts of it
    rules.py        Patroni's rules and ours, each with a switch; and what Patroni's own lean on
    agent.py        the real decisions of early expiry, and their steps one by one
    world.py        all of it, and time; checker.py looks after every moment

Patroni's own rules lose acknowledged commits where what they lean on gives way: test_leaned_on.py has those races move by move.

Left out: that PostgreSQL or Patroni crashes and starts anew, switchovers, pause, quorum commit outside of one script, more than one named
standby, and clocks that go at different speeds. How long anything takes is not played, only what lasts for ttl.
"""
