"""Early expiry: beside each member, ends the lead of a leader that has gone without a word, long before Patroni's ttl does.

Who does what. Patroni elects, promotes and fences, and goes by two records that it keeps as annotations of Endpoints:
the leader's (`<scope>`: who leads, when it was renewed) and the one of synchronous replication (`<scope>-sync`: who
leads, and which standby has every acknowledged commit). This agent reads the leader's record several times a second.
Once that is not renewed and the leader's PostgreSQL does not answer, the agent beside the standby that `<scope>-sync` names
takes the leader's name out of its record, and Patroni's own race begins there and then. It never promotes anybody.

Why nothing acknowledged is lost, A being the old leader, perhaps only slow, and B this standby:
- A acknowledges nothing without B until it has taken B out of `<scope>-sync` by a compare-and-set. (Known to fail where a write that
  names B was not answered, was taken for failed, and arrives after all: tests/sim/early_expiry/test_leaned_on.py.)
- A's Patroni reads `<scope>-sync` first and renews its record then, before it may write `<scope>-sync`. Whatever it
  read before the renewal that we have seen, it cannot write once we have touched `<scope>-sync`; and it cannot renew
  once its record has no leader. If it renews in between, our own last write fails.
- One order is different: a leader that has just acquired a free record reads again before it writes. So a record
  counts only after two renewals that followed each other under our eyes: then that order is behind it.
- Once B has promoted itself it streams from A no longer, and nobody else's word makes A acknowledge.
"""
