"""Many trials: Ray, the Tuner, the shared scoring pool, the sweep directory, progress.

Its parts are imported from their own modules: a scoring actor must not load what trials need.
"""
