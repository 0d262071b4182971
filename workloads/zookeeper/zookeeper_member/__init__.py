"""What runs in the pod of a ZooKeeper member: it finds the ensemble that this member belongs to, and starts the server."""
