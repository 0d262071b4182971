"""What there is to write to, worked out from the data set as it was loaded."""

from caisson.bucket import bucket_function
from flights.dataset import TAILNUM_AT, read_flights, read_planes
from flights.operations import Catalogue, pick_counters

KEY_TYPES = ("text",)
COUNTERS_PER_BUCKET = 2


def bucket_of_tailnum(tailnum: str, buckets: int) -> int:
    """The bucket that PostgreSQL puts this tail number into."""
    return bucket_function(KEY_TYPES, buckets)(tailnum)


def build_catalogue(buckets: int, flights_limit: int | None) -> Catalogue:
    """Planes to book, and rows to count on in every bucket."""
    tailnums = tuple(row[0] for row in read_planes())
    known = {tailnum: bucket_of_tailnum(tailnum, buckets) for tailnum in tailnums}
    flights = [
        (number, row[TAILNUM_AT], known[row[TAILNUM_AT]])
        for number, row in enumerate(read_flights(flights_limit), start=1)
        if row[TAILNUM_AT] in known
    ]
    return Catalogue(tailnums, tuple(known.values()), pick_counters(flights, COUNTERS_PER_BUCKET))
