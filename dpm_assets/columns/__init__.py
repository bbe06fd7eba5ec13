"""What each column of the rollups and views is, and which columns it is made from."""
