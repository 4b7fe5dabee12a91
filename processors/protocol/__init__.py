"""The claim, lease, fence and commit protocol: what makes "once" true.

Locks are always taken in the order processor → run → batch → record, and never against the key
(`no_key`): a new row that refers to the locked one takes a key lock, out of this order, and so
does what arrives for a processor. Only its deletion excludes that, and waits for nobody then.
Every function here says which transaction it needs. `cycles` begins and ends cycles, `claiming`
claims batches, `leases` commits and gives them back, `reaping` takes them from workers that are
gone.
"""
