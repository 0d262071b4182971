"""Figures of a demo that meets every demand."""

from demo.musts import Figures

GOOD = Figures(
    rows=340_098,
    buckets_moved=32,
    copy_rows_per_second=20_000.0,
    pause_ms_p99=60.0,
    pause_ms_max=400.0,
    statements_failed=0,
    writes_acknowledged=50_000,
    writes_lost=0,
    writes_duplicated=0,
    stale_strong_reads=0,
    verify_mismatches=0,
    failover_seconds=4.0,
    writes_unknown=0,
    join_mismatches=0,
    lowest_writes_per_second=250.0,
    lowest_writes_during="Copying (3 s in)",
    least_writes_between_switches=600,
    least_reads_between_switches=150,
    switch_gaps=7,
    writes_held_up=30,
    another_pod_leads=True,
    timeline_before=1,
    timeline_after=2,
)
