"""The main job on real input: a database that grows from two shards to four under traffic, and loses a primary.

`python -m demo` tells the story; the end-to-end tests use the same parts. Nothing here decides for the operator: it
applies resources and kills pods, as a user and a bad day would.
"""
