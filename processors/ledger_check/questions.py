"""Every question with the invariant it is about, in the order in which it is asked."""

from processors.ledger_check import batches, records, runs, tables
from processors.ledger_check.asking import Question

QUESTIONS = (
    Question("I1", records.keys_are_unique),
    Question("I1", records.lanes_know_what_waits_in_them),
    Question("I1", tables.claimed_rows_are_in_hand),
    Question("I4", records.batches_and_records_agree),
    Question("I4", batches.owners_are_alive),
    Question("I4", runs.ended_runs_hold_nothing),
    Question("I5", batches.batch_counters_add_up),
    Question("I5", batches.batch_counters_match_attempts),
    Question("I5", runs.run_counters_are_sums),
    Question("I6", runs.one_run_is_active),
    Question("I6", runs.numbers_repeat_not),
    Question("I6", runs.numbers_have_no_gap),
    Question("I6", runs.last_number_is_known),
    Question("I7", batches.closed_batches_write_nothing),
    Question("I8", batches.slots_are_held_once),
    Question("I8", batches.slots_are_within_parallelism),
    Question("I9", batches.nothing_opens_after_stop),
    Question("I10", runs.slots_are_used_once),
    Question("I11", runs.pauses_are_kept),
    Question("I14", records.crashes_are_bounded),
    Question("I15", records.outcomes_are_told),
)

# For when nothing is to be done any more: after a test, before a backup.
AT_REST = (
    *QUESTIONS,
    Question("I15", runs.nothing_is_active),
    Question("I1", runs.nothing_waits),
    Question("I1", tables.marked_rows_are_in_hand),
    Question("I15", records.every_outcome_is_told),
)
