"""What is new between two writings of a cluster's status, beside its conditions: another leader, another epoch. Pure."""

from caisson_operator.core.news import News, Status


def find_leader_news(earlier: Status, status: Status) -> list[News]:
    """A first leader is no news; one that came back under a new epoch is, once it leads."""
    before, now = find_lead(earlier), find_lead(status)
    if before is None or now is None or before == now or not status.get("leader"):
        return []
    (old, old_epoch), (new, epoch) = before, now
    under = f" (epoch {old_epoch} to {epoch})" if epoch != old_epoch else ""
    note = f"{new} leads after {old}{under}" if new != old else f"{new} leads again{under}"
    return [News("Failover", "LeaderChanged", note, is_warning=True)]


def find_lead(status: Status) -> tuple[str, int] | None:
    """Who led last, and under which epoch."""
    leader = status.get("lastLeader")
    return (str(leader), int(status.get("epoch") or 0)) if leader else None
