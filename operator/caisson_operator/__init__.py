"""The operator of Caisson: the hard parts of a distributed system as Kubernetes resources."""

__version__ = "0.1.0"
