"""What may go wrong, each with one line that says what to do. No other exception is expected to reach `main`.

CliError
+-- NoCluster           the kubeconfig names no cluster that can be used
+-- NotSo               what was asked for does not hold: the command ends with 1
+-- KubeError           the API server said no, or nothing
    +-- NotFound        there is no such object
    +-- KindMissing     the cluster does not know this kind of object at all
    +-- Forbidden       the user may not
    +-- Unreachable     no answer: whether it was done is unknown
"""


class CliError(Exception):
    """Its text is one line for the user."""


class NoCluster(CliError):
    pass


class NotSo(CliError):
    pass


class KubeError(CliError):
    pass


class NotFound(KubeError):
    pass


class KindMissing(KubeError):
    pass


class Forbidden(KubeError):
    pass


class Unreachable(KubeError):
    pass
