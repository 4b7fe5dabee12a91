"""The claim, lease, fence and commit protocol: what makes "once" true.

Locks are always taken in the order processor → run → batch → record. Every function here says
which transaction it needs. `cycles` begins and ends cycles, `leases` claims, commits and gives
back batches, `reaping` takes them from workers that are gone.
"""
