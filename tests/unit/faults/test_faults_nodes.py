"""What a node drops that is cut off: both ways, its own packets and its pods'; or what one of its pods sends to a peer."""

from faults.nodes import Cut, PodCut


def test_a_node_that_is_cut_off_drops_all_that_crosses_its_interface() -> None:
    assert [" ".join(rule) for rule in Cut().rules()] == [
        "INPUT -i eth0 -j DROP",
        "FORWARD -i eth0 -j DROP",
        "OUTPUT -o eth0 -j DROP",
        "FORWARD -o eth0 -j DROP",
    ]


def test_one_that_is_cut_off_from_a_peer_drops_what_comes_from_it_and_goes_to_it() -> None:
    assert [" ".join(rule) for rule in Cut("10.244.1.0/24").rules()] == [
        "INPUT -i eth0 -s 10.244.1.0/24 -j DROP",
        "FORWARD -i eth0 -s 10.244.1.0/24 -j DROP",
        "OUTPUT -o eth0 -d 10.244.1.0/24 -j DROP",
        "FORWARD -o eth0 -d 10.244.1.0/24 -j DROP",
    ]


def test_a_pod_that_is_cut_off_from_a_peer_goes_on_to_reach_all_others() -> None:
    assert [" ".join(rule) for rule in PodCut("10.244.1.7", "172.18.0.4").rules()] == [
        "INPUT -s 10.244.1.7 -d 172.18.0.4 -j DROP",
        "FORWARD -s 10.244.1.7 -d 172.18.0.4 -j DROP",
        "OUTPUT -s 172.18.0.4 -d 10.244.1.7 -j DROP",
        "FORWARD -s 172.18.0.4 -d 10.244.1.7 -j DROP",
    ]
