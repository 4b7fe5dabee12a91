"""The claim, lease, fence and commit protocol: what makes "once" true.

Locks are always taken in the order processor → run → batch → record, and never against the key
(`no_key`): a new row that refers to the locked one takes a key lock, out of this order. Every
function here says which transaction it needs. `cycles` begins and ends cycles, `leases` claims,
commits and gives back batches, `reaping` takes them from workers that are gone.
"""
