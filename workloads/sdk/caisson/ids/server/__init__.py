"""`python -m caisson.ids.server`: ids over HTTP, for programs in other languages."""
