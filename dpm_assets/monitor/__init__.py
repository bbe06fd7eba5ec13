"""How the warehouse is doing: statistics and sizes of its partitions."""
