/** The tables of a database as `init` needs them: columns, primary keys, who points at whom. */
import type { Statements } from '../invalidators/postgres/feed/schema/borrowed-client.js'

export interface CatalogueTable {
  readonly schema: string
  readonly name: string
  /** As it is written in a rule: without the schema where that is `public`. */
  readonly written: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** The primary key's columns; none: it has none. */
  readonly key: readonly string[]
  readonly references: readonly {
    readonly columns: readonly string[]
    readonly table: string
    readonly targets: readonly string[]
  }[]
}

/** Ordinary and partitioned tables that are no partitions, in schemas of the site's. */
export async function readCatalogue(statements: Statements, feedSchema: string): Promise<CatalogueTable[]> {
  const rows = await statements.query(
    `SELECT json_build_object('schema', n.nspname, 'name', c.relname,
              'columns', (SELECT coalesce(json_agg(json_build_object('name', attname, 'type', format_type(atttypid, NULL)) ORDER BY attnum), '[]')
                            FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
              'key', (SELECT coalesce(json_agg(a.attname ORDER BY k.at), '[]') FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k(number, at)
                        JOIN pg_attribute AS a ON a.attnum = k.number WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid),
              'references', (SELECT coalesce(json_agg(json_build_object('table', t.relname, 'schema', tn.nspname,
                  'columns', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.conkey) WITH ORDINALITY AS k(number, at) JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.number),
                  'targets', (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.confkey) WITH ORDINALITY AS k(number, at) JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.number))), '[]')
                FROM pg_constraint AS f JOIN pg_class AS t ON t.oid = f.confrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
               WHERE f.conrelid = c.oid AND f.contype = 'f'))::text AS "table"
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
        AND n.nspname NOT LIKE 'pg\\_%' ORDER BY n.nspname, c.relname`,
    [feedSchema],
    'reading the catalogue',
  )
  return rows.map(({ table }) => {
    const read = JSON.parse(table ?? '{}') as Omit<CatalogueTable, 'written' | 'references'> & {
      references: { schema: string; table: string; columns: string[]; targets: string[] }[]
    }
    const references = read.references.map(({ schema, table: name, ...rest }) => ({
      ...rest,
      table: writtenName(schema, name),
    }))
    return { ...read, references, written: writtenName(read.schema, read.name) }
  })
}

function writtenName(schema: string, name: string): string {
  const quoted = (part: string) => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)
  return schema === 'public' ? quoted(name) : `${quoted(schema)}.${quoted(name)}`
}
