"""Sweeps as jobs of a Ray cluster: what is sent, how it is started, watched and stopped."""
