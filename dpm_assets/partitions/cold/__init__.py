"""Cold months: months of trades in Parquet files, verified before their partition is dropped, and brought back bit for bit."""
