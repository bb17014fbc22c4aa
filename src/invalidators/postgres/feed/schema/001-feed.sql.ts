/**
 * Migration 1: the feed and what stands around it.
 *
 * The feed is append-only. Nothing in it is unique, updated, or deleted by those who read it: each node
 * remembers the snapshot of its last read, and rows leave by partition (migration 3).
 * `slot` and `lease` are sequences because those are read and set outside of transactions: a writer in
 * SERIALIZABLE sees the value of this moment, and nobody waits for anybody.
 */
import { literal, type SchemaName } from './quoting.js'

/** Rows are only added and truncated: vacuum has nothing to do but to mark pages as frozen and all visible. */
const partitionSettings = `
  WITH (autovacuum_vacuum_insert_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_analyze_threshold = 50000, autovacuum_analyze_scale_factor = 0)`

export const feedSql = (schema: SchemaName): string => `
CREATE TABLE ${schema.of('feed_state')} (
  "only" boolean PRIMARY KEY DEFAULT true CHECK ("only"), -- exactly one row
  epoch uuid NOT NULL DEFAULT gen_random_uuid(),       -- a feed that was dropped and made anew is another feed
  low_water xid8 NOT NULL DEFAULT '0',                 -- rows up to this xid may have been thrown away; rises whenever some were
  notify boolean NOT NULL DEFAULT true                 -- false: writers send no NOTIFY, readers poll
);
INSERT INTO ${schema.of('feed_state')} DEFAULT VALUES;

-- The partition that is written to now.
CREATE SEQUENCE ${schema.of('slot')} MINVALUE 0 MAXVALUE 2 START 0;
PERFORM setval(${schema.literalOf('slot')}, 0);

-- Milliseconds since 1970 until which some listener polls, so that writers need not NOTIFY.
CREATE SEQUENCE ${schema.of('lease')} START 1;
PERFORM setval(${schema.literalOf('lease')}, 1);

CREATE SEQUENCE ${schema.of('feed_id')};

CREATE TABLE ${schema.of('feed')} (
  slot smallint NOT NULL DEFAULT pg_sequence_last_value(${schema.literalOf('slot')}::regclass)::smallint,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  id bigint NOT NULL DEFAULT nextval(${schema.literalOf('feed_id')}::regclass),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  rule text NOT NULL,                                  -- what wrote it: the table's name as the rule has it
  selector text,                                       -- a key, subtree or pattern
  tag text,
  CHECK ((selector IS NULL) <> (tag IS NULL))
) PARTITION BY LIST (slot);
CREATE INDEX feed_xid_id ON ${schema.of('feed')} (xid, id);
${[0, 1, 2]
  .map(
    (slot) =>
      `CREATE TABLE ${schema.of(`feed_${slot}`)} PARTITION OF ${schema.of('feed')} FOR VALUES IN (${slot})${partitionSettings};`,
  )
  .join('\n')}

-- What each node last said of itself. Nothing rests on it: it is read by people, and by settledEverywhere().
CREATE TABLE ${schema.of('node')} (
  name text PRIMARY KEY,
  cursor text,                                         -- the pg_snapshot that it has applied
  applied_until timestamptz,
  host text,
  pid integer,
  state text,
  backlog bigint,
  seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Called by triggers that wrote rows, after they did: their transaction has its xid, so a listener that lets the
-- lease run out can wait for it. The search_path is the caller's, which has a fixed one.
CREATE FUNCTION ${schema.of('wake')}() RETURNS void LANGUAGE plpgsql AS $wake$
BEGIN
  IF extract(epoch FROM clock_timestamp()) * 1000 >= pg_sequence_last_value(${schema.literalOf('lease')}::regclass) THEN
    PERFORM pg_notify(${literal(schema.name)}, '') FROM ${schema.of('feed_state')} WHERE notify;
  END IF;
END $wake$;
REVOKE ALL ON FUNCTION ${schema.of('wake')}() FROM PUBLIC;
`
