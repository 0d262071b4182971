"""What holds for every test: how long an example took is never judged, for the machine may be busy."""

from hypothesis import settings

settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")
