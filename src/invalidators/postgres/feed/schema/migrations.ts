/**
 * The numbered migrations of the schema, and the SQL that brings a database to the last of them.
 *
 * Append-only: a migration that was published is never changed. Each is one statement (a DO block): it
 * waits for whoever migrates the same schema, looks whether it is recorded, and runs once.
 */
import { feedSql } from './001-feed.sql.js'
import { segmentsSql } from './002-segments.sql.js'
import { rotateSql } from './003-rotate.sql.js'
import { writersSql } from './004-writers.sql.js'
import { textsSql } from './005-texts.sql.js'
import { doBlock, literal, type SchemaName } from './quoting.js'

interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: (schema: SchemaName) => string
}

export const migrations: readonly Migration[] = [
  { version: 1, name: 'feed', sql: feedSql },
  { version: 2, name: 'segments', sql: segmentsSql },
  { version: 3, name: 'rotate', sql: rotateSql },
  { version: 4, name: 'writers', sql: writersSql },
  { version: 5, name: 'texts', sql: textsSql },
]

/** The version that this code knows. */
export const schemaVersion = migrations.length

/** Each statement that is still needed makes itself so; those that are not do nothing. */
export function migrationStatements(schema: SchemaName): string[] {
  return [prepareStatement(schema), ...migrations.map((migration) => migrationStatement(schema, migration))]
}

/**
 * What every statement begins with. Twenty processes may start at once: they wait here, for as long as it
 * takes, before any other lock; locks after that are waited for by `lock_timeout`. In READ COMMITTED, what
 * the one before has committed is seen after the wait; in a stricter isolation it would not be.
 */
export function openingSql(schema: SchemaName): string {
  return `
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'pagekeep migrates in READ COMMITTED only, this transaction is %', upper(current_setting('transaction_isolation'));
  END IF;
  old_lock_timeout := current_setting('lock_timeout');
  PERFORM set_config('lock_timeout', '0', true);
  PERFORM pg_advisory_xact_lock(hashtextextended(${literal(`pagekeep:install:${schema.name}`)}, 0));
  PERFORM set_config('lock_timeout', CASE old_lock_timeout WHEN '0' THEN '5s' ELSE old_lock_timeout END, true);`
}

/** The variables of `openingSql`. */
export const openingDeclarations = '  old_lock_timeout text;'

function prepareStatement(schema: SchemaName): string {
  return doBlock(
    `${openingSql(schema)}
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'pagekeep needs a database with the encoding UTF8, this one has %', current_setting('server_encoding')
      USING HINT = 'Names of pages are made from UTF-8 bytes. Create the database WITH ENCODING ''UTF8''.';
  END IF;
  IF current_setting('server_version_num')::int < 150000 THEN
    RAISE EXCEPTION 'pagekeep needs PostgreSQL 15 or later, this is %', current_setting('server_version');
  END IF;
  -- CREATE SCHEMA IF NOT EXISTS would ask for the right to create one even where it exists.
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(schema.name)}) THEN
    CREATE SCHEMA ${schema.sql};
  END IF;
  IF to_regclass(${schema.literalOf('migration')}) IS NULL THEN
    CREATE TABLE ${schema.of('migration')} (
      version int PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now());
  END IF;`,
    openingDeclarations,
  )
}

function migrationStatement(schema: SchemaName, { version, name, sql }: Migration): string {
  return doBlock(
    `${openingSql(schema)}
  IF EXISTS (SELECT FROM ${schema.of('migration')} WHERE version = ${version}) THEN RETURN; END IF;
${sql(schema)}
  INSERT INTO ${schema.of('migration')} (version, name) VALUES (${version}, ${literal(name)});`,
    openingDeclarations,
  )
}
