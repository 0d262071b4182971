"""Epochs of a replicated Redis under crashes, failovers, restores and old primaries that go on."""
