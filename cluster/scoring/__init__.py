"""The scoring pool: one dispatcher and its scorers, made by the driver, shared by all trials."""
