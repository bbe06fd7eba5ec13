"""From the unpartitioned original to the warehouse, while its programs go on reading and writing, and back."""
