"""Monthly partitions of the trades and yearly ones of the metrics."""
