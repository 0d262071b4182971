"""The room of IdAllocator: a binding that says how to allocate, a cluster of its own where none was named, and servers over HTTP.

Ids are given out by the SDK in the applications and in the servers, straight from the store; the operator is not asked.
"""
