"""Alerts: what is wrong with the warehouse, told once through each channel, and told again when it is over."""
