"""The room's decisions without one of the things that they wait for. Each is used by a control, which must find what it lets through."""

from collections.abc import Callable
from dataclasses import replace

from caisson_operator.core.decisions import Decision
from caisson_operator.sharded_database.member_passwords import decide_member_passwords
from caisson_operator.sharded_database.observed import Observed, Pod
from caisson_operator.sharded_database.wanted import Wanted


def ignore_late(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """As if every member that has a pod had told where it is."""
    objects = observed.objects
    coming = objects.coming_member_rotation
    told = (objects.member_rotation, *(() if coming is None else (coming,)))
    return decide_member_passwords(wanted, have_told(observed, told, lambda pod: True), is_expanding)


def wait_to_adopt_only(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    is_adopted = observed.objects.previous_member_rotation is not None
    decide = ignore_late if is_adopted else decide_member_passwords
    return decide(wanted, observed, is_expanding)


def begin_with_silent_ones(wanted: Wanted, observed: Observed, is_expanding: bool) -> Decision:
    """Waits only for those that can tell."""
    objects = observed.objects
    coming = objects.coming_member_rotation
    told = (objects.member_rotation if coming is None else coming,)
    return decide_member_passwords(
        wanted, have_told(observed, told, lambda pod: not pod.told.restapi_rotations), is_expanding
    )


def have_told(observed: Observed, rotations: tuple[str, ...], is_meant: Callable[[Pod], bool]) -> Observed:
    """As if these members had told that they go by these."""
    pods = tuple(
        replace(pod, told=replace(pod.told, restapi_rotations=rotations, role_rotations=rotations))
        if is_meant(pod)
        else pod
        for pod in observed.objects.pods
    )
    return replace(observed, objects=replace(observed.objects, pods=pods))
