/**
 * Migration 5: columns as text, and whether they differ, by type: where no setting of a session changes how a value
 * reads, the trigger's function need not fix the settings, which costs more than reading the rows.
 *
 * Which of the functions is meant is decided when a statement is analysed, from the column's type as it is then: so a
 * column that gets another type is read with fixed settings from that moment on, by the last of each kind.
 * The others are inlined and cost nothing. Two texts that differ in a collation of their own differ here.
 */
import { literal, type SchemaName } from './quoting.js'

/** Types of which a value reads the same whatever a session has set. */
const plainTypes = ['smallint', 'integer', 'bigint', 'numeric', 'text', 'varchar', 'uuid', 'boolean'] as const

/** Of those, the ones in which equal values also read alike. */
const exactTypes = ['smallint', 'integer', 'bigint', 'text', 'uuid', 'boolean'] as const

/** What fixes how all values read. */
export const textSettings = `SET DateStyle = 'ISO, YMD' SET TimeZone = 'UTC' SET IntervalStyle = 'postgres'
  SET extra_float_digits = 1 SET bytea_output = 'hex'`

/** Whether all these columns of the table `relation` have such types. */
export const arePlainSql = (relation: string, columns: readonly string[]): string =>
  `NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = ${relation} AND attname = ANY (ARRAY[${columns.map(literal).join(', ')}]::name[])
               AND atttypid <> ALL ('{${plainTypes.join(', ')}}'::regtype[]))`

export const textsSql = (schema: SchemaName): string => `
${plainTypes
  .map(
    (
      type,
    ) => `CREATE FUNCTION ${schema.of('text_of')}(value ${type}) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
`,
  )
  .join('')}
CREATE FUNCTION ${schema.of('text_of')}(value anyelement) RETURNS text LANGUAGE plpgsql STABLE
  SET search_path = pg_catalog, pg_temp ${textSettings}
  AS 'BEGIN RETURN value::text; END';

${exactTypes
  .map((type) => {
    const collate = type === 'text' ? ' COLLATE "C"' : ''
    return `CREATE FUNCTION ${schema.of('differ')}(one ${type}, other ${type}) RETURNS boolean LANGUAGE sql IMMUTABLE
  AS 'SELECT $1${collate} IS DISTINCT FROM $2${collate}';
`
  })
  .join('')}
CREATE FUNCTION ${schema.of('differ')}(one anyelement, other anyelement) RETURNS boolean LANGUAGE sql STABLE
  AS ${literal(`SELECT ${schema.of('text_of')}($1) COLLATE "C" IS DISTINCT FROM ${schema.of('text_of')}($2) COLLATE "C"`)};

REVOKE ALL ON FUNCTION ${[
  ...[...plainTypes, 'anyelement'].map((type) => `${schema.of('text_of')}(${type})`),
  ...[...exactTypes, 'anyelement'].map((type) => `${schema.of('differ')}(${type}, ${type})`),
].join(', ')} FROM PUBLIC;
`
