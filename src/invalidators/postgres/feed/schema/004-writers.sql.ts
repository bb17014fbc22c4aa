/**
 * Migration 4: less to do for writers. A check constraint is read from its text again by each INSERT, which costs
 * more than all that it checks; and a number drawn singly is one more page that all of them lock.
 *
 * A row with both a selector and a tag, or neither, is noticed by those who read it: they evict everything.
 */
import type { SchemaName } from './quoting.js'

export const writersSql = (schema: SchemaName): string => `
ALTER TABLE ${schema.of('feed')} DROP CONSTRAINT feed_check;

-- Numbers order the rows of one transaction, which is of one session; between transactions they say nothing.
ALTER SEQUENCE ${schema.of('feed_id')} CACHE 64;
`
