"""The comparative proof: the original, v1, v2 and production with the same rows, measured side by side.

The folder of a run holds its server, its sample and, as JSON, what each stage found; a run that was killed goes on from there.
"""
