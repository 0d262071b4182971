"""Decision vocabulary that every room shares. Pure: no clock, no randomness, no client."""
