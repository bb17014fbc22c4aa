/**
 * The triggers that rules ask for: their names, their functions, and the statement that brings a table to
 * have them. A trigger is made only where it is missing, so a start takes no lock on the table; what it
 * was generated from is told by the hash in its comment.
 *
 * A rule that changes replaces its functions, which locks nothing that writers need.
 */
import { createHash } from 'node:crypto'
import type { TableName } from '../../table-name.js'
import type { FeedRule } from '../watch.js'
import { arePlainSql, textSettings } from './005-texts.sql.js'
import { type ColumnTexts, castTexts, plainTexts } from './column-texts.js'
import { openingDeclarations, openingSql } from './migrations.js'
import { doBlock, dollarQuoted, identifier, literal, type SchemaName } from './quoting.js'
import { type TriggerEvent, triggerBody } from './trigger-body.js'

export interface Trigger {
  readonly event: TriggerEvent
  readonly name: string
  /** The name of its function, in the schema. */
  readonly functionName: string
  /** What its function is, by what the types of the columns ask for (005-texts.sql.ts). */
  readonly forms: { readonly plain: TriggerFunction; readonly cast: TriggerFunction }
  /** What its comment says: of what it was generated. */
  readonly comment: string
  /** `AFTER INSERT` ... `ON %s` ... with the place of the table. */
  readonly definition: string
}

export interface TriggerFunction {
  readonly sql: string
  /** Of its body, as the catalog has it. */
  readonly bodyHash: string
}

/** The rules of one table, which share its triggers. */
export interface TableTriggers {
  readonly table: TableName
  readonly rules: readonly FeedRule[]
  readonly columns: readonly string[]
  readonly triggers: readonly Trigger[]
}

/** What all functions run with: no right of the writer's is needed, and no table of a stranger's is meant. */
const functionSettings = 'SECURITY DEFINER SET search_path = pg_catalog, pg_temp'

/** Groups rules by table. Throws a `TypeError` for two bridges of one table. */
export function tableTriggers(schema: SchemaName, rules: readonly FeedRule[]): TableTriggers[] {
  const groups = new Map<string, FeedRule[]>()
  for (const rule of rules) {
    const key = `${rule.kind} ${rule.table.sql}`
    groups.set(key, [...(groups.get(key) ?? []), rule])
  }
  return [...groups].map(([key, [first, ...others]]) => {
    if (first === undefined) throw new TypeError('a group of rules has none')
    if (first.kind === 'bridge' && others.length > 0) {
      throw new TypeError(`There are two bridges of ${first.table.written}: put what they evict into one`)
    }
    const events: readonly TriggerEvent[] =
      first.kind === 'bridge' ? ['insert'] : ['insert', 'update', 'delete', 'truncate']
    const group = [first, ...others]
    return {
      table: first.table,
      rules: group,
      columns: [...new Set(group.flatMap(({ columns }) => columns))].sort(),
      triggers: events.map((event) => triggerOf(schema, key, group, event)),
    }
  })
}

function triggerOf(schema: SchemaName, key: string, rules: readonly FeedRule[], event: TriggerEvent): Trigger {
  const [first] = rules
  const isKeptBridge = first?.kind === 'bridge' && first.rows === 'keep'
  // One way of bridging is another trigger than the other, so that a change makes it anew.
  const id = sha256(`${schema.name} ${key}${isKeptBridge ? ' keep' : ''}`).slice(0, 8)
  // Triggers fire by name: one that copies what is about to be inserted comes after those that may change it.
  const name = `${isKeptBridge ? 'zz_' : ''}${slug(schema.name)}_${id}_${event}`
  const functionName = `${slug(first?.table.name ?? '')}_${id}_${event}`
  const transition = {
    insert: first?.kind === 'bridge' ? '' : 'REFERENCING NEW TABLE AS new_rows ',
    update: 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows ',
    delete: 'REFERENCING OLD TABLE AS old_rows ',
    truncate: '',
  }[event]
  const when = isKeptBridge ? 'BEFORE' : 'AFTER'
  const each = isKeptBridge ? 'ROW' : 'STATEMENT'
  const definition = `${when} ${event.toUpperCase()} ON %s ${transition}FOR EACH ${each}`
  const functionOf = (texts: ColumnTexts, settings: string): TriggerFunction => {
    const body = triggerBody(schema, rules, event, texts)
    const sql = `CREATE OR REPLACE FUNCTION ${schema.of(functionName)}() RETURNS trigger LANGUAGE plpgsql
  ${settings}
  AS ${dollarQuoted(body)};`
    return { sql, bodyHash: sha256(body) }
  }
  const forms = {
    plain: functionOf(plainTexts(schema), functionSettings),
    cast: functionOf(castTexts, `${functionSettings} ${textSettings}`),
  }
  const comment = `pagekeep sha256:${sha256([definition, forms.plain.sql, forms.cast.sql].join('\n'))}`
  return { event, name, functionName, forms, comment, definition }
}

/** One statement that gives a table, and its partitions, the triggers it lacks. */
export function installTriggersSql(schema: SchemaName, { table, rules, columns, triggers }: TableTriggers): string {
  const isDeletingBridge = rules.some((rule) => rule.kind === 'bridge' && rule.rows === 'delete')
  return doBlock(
    `${openingSql(schema)}
  target := to_regclass(${literal(table.sql)});
  IF target IS NULL THEN
    RAISE EXCEPTION USING MESSAGE = ${literal(`there is no table ${table.written}`)};
  END IF;
  IF NOT EXISTS (SELECT FROM pg_class WHERE oid = target AND relkind IN ('r', 'p')) THEN
    RAISE EXCEPTION USING MESSAGE = ${literal(`${table.written} is not a table`)};
  END IF;
  SELECT string_agg(quote_ident(name), ', ') INTO missing FROM unnest(ARRAY[${columns.map(literal).join(', ')}]::text[]) AS name
   WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = target AND attname = name AND attnum > 0 AND NOT attisdropped);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION USING MESSAGE = ${literal(`${table.written} has no column `)} || missing;
  END IF;
  are_plain := ${arePlainSql('target', columns)};
${triggers.map((trigger) => installTriggerSql(schema, trigger)).join('')}${
  isDeletingBridge
    ? `
  -- What was queued before moves now, under the lock that made the trigger: a statement without rows fires it.
  IF is_new THEN
    SELECT quote_ident(attname) INTO missing FROM pg_attribute
     WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' LIMIT 1;
    EXECUTE format('INSERT INTO %s (%s) SELECT %2$s FROM %1$s WHERE false', target, missing);
  END IF;`
    : ''
}`,
    `${openingDeclarations}
  target regclass;
  part regclass;
  missing text;
  are_plain boolean;
  is_new boolean := false;`,
  )
}

function installTriggerSql(schema: SchemaName, trigger: Trigger): string {
  const { name, functionName, forms, comment, definition } = trigger
  const procedure = literal(`${schema.of(functionName)}()`)
  const create = `CREATE OR REPLACE TRIGGER ${identifier(name).replaceAll('%', '%%')} ${definition} EXECUTE FUNCTION ${schema.of(functionName).replaceAll('%', '%%')}()`
  const onTrigger = `COMMENT ON TRIGGER ${identifier(name).replaceAll('%', '%%')} ON %s IS ${literal(comment)}`
  const has = (relation: string) =>
    `EXISTS (SELECT FROM pg_trigger WHERE tgrelid = ${relation} AND tgname = ${literal(name)} AND tgfoid = to_regprocedure(${procedure})`
  return `
  IF NOT ${has('target')} AND obj_description(oid, 'pg_trigger') = ${literal(comment)})
     OR NOT EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure(${procedure})
                       AND encode(sha256(convert_to(prosrc, 'UTF8')), 'hex') = CASE WHEN are_plain THEN ${literal(forms.plain.bodyHash)} ELSE ${literal(forms.cast.bodyHash)} END) THEN
    IF are_plain THEN
    ${forms.plain.sql}
    ELSE
    ${forms.cast.sql}
    END IF;
    REVOKE ALL ON FUNCTION ${schema.of(functionName)}() FROM PUBLIC;
  END IF;
  FOR part IN SELECT * FROM ${schema.of('parts_of')}(target) LOOP
    IF NOT ${has('part')}) THEN
      EXECUTE format(${literal(create)}, part);
      is_new := true;
    END IF;
    IF NOT ${has('part')} AND obj_description(oid, 'pg_trigger') = ${literal(comment)}) THEN
      EXECUTE format(${literal(onTrigger)}, part);
    END IF;
  END LOOP;
`
}

/** One statement that removes the triggers of rules that are gone, and their functions. */
export function removeOtherTriggersSql(schema: SchemaName, wanted: readonly TableTriggers[]): string {
  const pairs = wanted.flatMap(({ table, triggers }) =>
    triggers.map(({ functionName }) => `(${literal(functionName)}, to_regclass(${literal(table.sql)}))`),
  )
  const wantedSql =
    pairs.length === 0
      ? 'SELECT NULL::text, NULL::oid WHERE false'
      : `SELECT f, p FROM (VALUES ${pairs.join(', ')}) AS w(f, t), ${schema.of('parts_of')}(w.t) AS p`
  return doBlock(
    `${openingSql(schema)}
  FOR gone IN
    WITH wanted(name, relation) AS (${wantedSql})
    SELECT t.tgname AS name, t.tgrelid::regclass AS relation FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
     WHERE p.pronamespace = ${literal(schema.sql)}::regnamespace
       AND NOT EXISTS (SELECT FROM wanted AS w WHERE w.name = p.proname AND w.relation = t.tgrelid)
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', gone.name, gone.relation);
  END LOOP;
  FOR gone IN
    SELECT p.oid::regprocedure AS procedure FROM pg_proc AS p
     WHERE p.pronamespace = ${literal(schema.sql)}::regnamespace AND p.prorettype = 'trigger'::regtype
       AND p.proname <> ALL (ARRAY[${wanted.flatMap(({ triggers }) => triggers.map(({ functionName }) => literal(functionName))).join(', ')}]::text[])
  LOOP
    EXECUTE format('DROP FUNCTION %s', gone.procedure);
  END LOOP;`,
    `${openingDeclarations}
  gone record;`,
  )
}

function slug(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]+/g, '_').slice(0, 30)
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
