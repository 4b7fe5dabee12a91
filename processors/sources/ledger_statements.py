"""The SQL on our own record table.

Every statement is set-based: one row changed by one statement costs twenty times more than in a
set.
"""

from processors.sources.dialect import unguessed

RETURNED = (
    "id, key, payload, visit, attempts, crashes, expires_at, priority, available_at, maybe_seen"
)
# Not as times, because reading those costs more than all the rest of a row: here as the text
# that SQLite keeps, which has the same order,
RETURNED_SQLITE = RETURNED.replace("available_at", "available_at || ''")
# and here as a number.
RETURNED_POSTGRES = ", ".join(f"r.{name}" for name in RETURNED.split(", ")).replace(
    "r.available_at", "extract(epoch FROM r.available_at)::float8"
)

# Pick due records, highest priority first and then in order of arrival. A probe per priority
# keeps the cost the same however many records wait for a later time; the update goes by physical
# place, because locked rows cannot move and no statistics can turn that into a wider scan.
PICK_POSTGRES = """
WITH pick AS MATERIALIZED (
    SELECT due.place
      FROM generate_series(9, 0, -1) AS level(priority)
     CROSS JOIN LATERAL (
           SELECT ctid AS place
             FROM processors_record
            WHERE processor_id = %s AND priority = level.priority
              AND waits AND NOT alone AND available_at <= %s AND id <= %s
              AND (maybe_seen OR %s)
            ORDER BY available_at, id
            LIMIT %s
              FOR UPDATE SKIP LOCKED) AS due
     LIMIT %s)
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.ctid = ANY(ARRAY(SELECT place FROM pick)) AND r.waits
"""

# The same where one writer holds the whole file: the highest level that has anything due, in the
# order of the index. Sorting over all levels would read every record that waits.
PICK_SQLITE = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.id IN (
       SELECT id
         FROM processors_record
        WHERE processor_id = %s AND waits AND NOT alone
          AND available_at <= %s AND id <= %s AND (maybe_seen OR %s)
          AND priority = (
              SELECT level.value
                FROM json_each('[9,8,7,6,5,4,3,2,1,0]') AS level
               WHERE EXISTS (
                     SELECT 1
                       FROM processors_record
                      WHERE processor_id = %s AND priority = level.value AND waits
                        AND NOT alone AND available_at <= %s AND id <= %s
                        AND (maybe_seen OR %s))
               ORDER BY level.key
               LIMIT 1)
        ORDER BY available_at, id
        LIMIT %s)
"""

# Pick what was set aside, of each lane the most urgent and then the oldest; it is due from then on.
LANES_POSTGRES = """
WITH pick AS MATERIALIZED (
    SELECT turn.place
      FROM (SELECT unnest(%s::bigint[]) AS id, unnest(%s::int[]) AS room) AS lane
     CROSS JOIN LATERAL (
           SELECT ctid AS place
             FROM processors_record
            WHERE processor_id = %s AND lane_id = lane.id AND waits AND NOT alone
            ORDER BY priority DESC, id
            LIMIT lane.room
              FOR UPDATE SKIP LOCKED) AS turn
     LIMIT %s)
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s, lane_id = NULL, available_at = %s
 WHERE r.ctid = ANY(ARRAY(SELECT place FROM pick)) AND r.waits
"""
LANES_SQLITE = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s, lane_id = NULL, available_at = %s
 WHERE r.id IN (
       SELECT id
         FROM processors_record
        WHERE processor_id = %s AND lane_id = %s AND waits AND NOT alone
        ORDER BY priority DESC, id
        LIMIT %s)
"""

# Leave claimed records to wait in their lanes. These are looked up in an object: joined with pairs,
# a planner that expects one record of this batch compares each record with each pair.
SET_ASIDE_POSTGRES = """
UPDATE processors_record
   SET state = 'ready', batch_id = NULL, lane_id = (%s::jsonb ->> id::text)::bigint,
       available_at = %s
 WHERE id = ANY(%s::bigint[]) AND batch_id = %s AND state = 'claimed'
"""
SET_ASIDE_SQLITE = """
UPDATE processors_record
   SET state = 'ready', batch_id = NULL, lane_id = %s, available_at = %s
 WHERE id = %s AND batch_id = %s AND state = 'claimed'
"""

# One record under suspicion.
PICK_ALONE = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.waits AND r.id = (
       SELECT id
         FROM processors_record
        WHERE processor_id = %s AND waits AND alone AND available_at <= %s
        ORDER BY available_at, id
        LIMIT 1{skip_locked})
"""

# Records that were done without anything to tell.
SETTLE_DONE = """
UPDATE processors_record
   SET state = 'done', settled_at = %s
 WHERE {ids} AND batch_id = %s AND state = 'claimed'
"""

# The same with their results.
SETTLE_RESULTS_POSTGRES = f"""
UPDATE processors_record AS r
   SET state = 'done', settled_at = %s, result = given.result::jsonb
  FROM (SELECT unnest(%s::bigint[]) AS id, unnest(%s::text[]) AS result) AS given
 WHERE r.id = given.id AND {unguessed("r.batch_id = %s AND r.state = 'claimed'")}
"""

SETTLE_RESULTS_SQLITE = """
UPDATE processors_record
   SET state = 'done', settled_at = %s, result = %s
 WHERE id = %s AND batch_id = %s AND state = 'claimed'
"""

# One record that was done, at the time of the write.
SETTLE_ONE_POSTGRES = """
UPDATE processors_record
   SET state = 'done', settled_at = clock_timestamp(), result = coalesce(%s, result)
 WHERE id = %s AND batch_id = %s AND state = 'claimed'
"""

# Give back what was not begun.
RELEASE = """
UPDATE processors_record
   SET state = 'ready', batch_id = NULL
 WHERE {ids} AND batch_id = %s AND state = 'claimed'
"""

# Is there anything to remember of a table? Asked by every claim, so without the ORM's cost.
ANY_RECORD = "SELECT 1 FROM processors_record WHERE processor_id = %s LIMIT 1"
