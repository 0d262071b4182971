"""The room of DistributedLock: finds the store, opens the space in it, tells who holds and who waits, releases on request.

The locks themselves are between applications and the store (caisson.locks in the SDK): they go on without this room.
"""
