/**
 * Migration 3: how old rows leave the feed. Not by DELETE, which leaves a table to be cleaned up after,
 * but by emptying one of three partitions while another is written to.
 *
 * With a retention of R the partition changes every R/2, and one is emptied when its newest row is older than R:
 * a row stays for R to 1.5 R. What was thrown away is told by `low_water`, in the same transaction.
 */
import { literal, type SchemaName } from './quoting.js'

export const rotateSql = (schema: SchemaName): string => `
-- One step: 'emptied', 'advanced', 'waiting' (a transaction holds rows of the partition to be emptied, or reads it),
-- 'busy' (another does this now) or 'nothing'. It runs with the rights of its owner, so a listener needs no others.
CREATE FUNCTION ${schema.of('rotate')}(retention interval) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $rotate$
DECLARE
  written smallint := pg_sequence_last_value(${schema.literalOf('slot')}::regclass);
  following smallint := (written + 1) % 3;
  part regclass;
  cutoff timestamptz := clock_timestamp() - retention;
  newest timestamptz;
  oldest timestamptz;
  highest xid8;
  late_newest timestamptz;
  late_highest xid8;
  seen pg_snapshot;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'rotate() needs READ COMMITTED: it must see what was committed while it waited for a lock';
  END IF;
  IF retention < interval '0' THEN RAISE EXCEPTION 'the retention % is negative', retention; END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended(${literal(`pagekeep:rotate:${schema.name}`)}, 0)) THEN RETURN 'busy'; END IF;

  FOR step IN 1..2 LOOP
    part := format('%I.%I', ${literal(schema.name)}, 'feed_' || (written + step) % 3)::regclass;
    -- The row with the highest xid is about the newest, and found at once; most of the time that is enough.
    EXECUTE format('SELECT at FROM %s ORDER BY xid DESC, id DESC LIMIT 1', part) INTO newest;
    CONTINUE WHEN newest IS NULL OR newest > cutoff;
    -- All that can be seen before the lock is looked at before the lock.
    EXECUTE format('SELECT max(at), max(xid), pg_current_snapshot() FROM %s', part) INTO newest, highest, seen;
    CONTINUE WHEN newest > cutoff;
    BEGIN
      -- Waits for those that write to it, whose rows TRUNCATE would remove unseen, and for those that read it.
      EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', part);
      EXECUTE format('SELECT max(at), max(xid) FROM %s WHERE xid >= $1', part)
        INTO late_newest, late_highest USING pg_snapshot_xmin(seen);
      IF late_newest > cutoff THEN RAISE lock_not_available; END IF;
      -- It rises with every emptying, also of rows with lower xids than were thrown away before: a reader whose mark
      -- is still the same has missed nothing.
      UPDATE ${schema.of('feed_state')}
         SET low_water = greatest(highest, late_highest, (low_water::text::numeric + 1)::text::xid8);
      EXECUTE format('TRUNCATE %s', part);
      RETURN 'emptied';
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      RETURN 'waiting';
    END;
  END LOOP;

  EXECUTE format('SELECT at FROM %I.%I ORDER BY xid, id LIMIT 1', ${literal(schema.name)}, 'feed_' || written) INTO oldest;
  IF oldest IS NULL OR oldest > clock_timestamp() - retention / 2 THEN RETURN 'nothing'; END IF;
  EXECUTE format('SELECT at FROM %I.%I LIMIT 1', ${literal(schema.name)}, 'feed_' || following) INTO newest;
  -- Not empty yet: what is written stays together with what was, until the next one is empty.
  IF newest IS NOT NULL THEN RETURN 'nothing'; END IF;
  PERFORM setval(${schema.literalOf('slot')}, following);
  RETURN 'advanced';
END $rotate$;
REVOKE ALL ON FUNCTION ${schema.of('rotate')}(interval) FROM PUBLIC;
`
