"""What the product is compared with: programs of their own, started by benchmarks/theirs.py.

`bare` is a loop without any queue; `tasks` is what Celery's and RQ's workers call.
"""
