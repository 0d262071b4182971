"""What runs in the pod of a Redis member: the server and its Sentinel are started by it, and it stops and probes them."""
