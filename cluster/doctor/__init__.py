"""What can be wrong with a machine or a cluster before a sweep starts on it: each check looks at one thing.

A check is a function of facts, which another function gathers; `examination.examine` puts them together.
Nothing here imports ray or torch unless Ray is to be started: the whole examination takes a few seconds.
"""
