"""Other passwords for the members under whatever comes in between: mounts that follow late and each at its own time, standbys that go on
with what they were configured with, members and shards that are away, members that are new, or of an image that cannot tell, crashes,
an older leader's steps, and another request before the first is over.

    secret.py    the Secret in all its versions, and what a member makes of each where it is mounted
    members.py   what members have mounted, go by and tell
    world.py     members, shards and the operator, and the checks: nobody is ever refused
    controls.py  the room's decisions without one of the things that they wait for
"""
