"""In-memory engines for tests. Each passes the same contract tests as the real one (contract.py)."""
