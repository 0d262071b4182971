"""Locks that a process may lose: leases, fencing tokens and the stores that keep both."""
