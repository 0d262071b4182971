"""A bundle for a bug report: what is known of one database, with secrets taken out.

`collecting` reads, `redaction` hides, `bundle` packs: nothing enters a bundle but through the redaction. Secrets and
ConfigMaps are never asked for.
"""
