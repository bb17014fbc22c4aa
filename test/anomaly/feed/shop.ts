/** The site of these tests: items in categories, a page an item and one a category, rules that evict them. */
import { route } from 'pagekeep'
import { evictRoute, watch } from 'pagekeep/invalidators/postgres'

export const itemPage = route('items/{id}.html')
export const categoryPage = route('categories/{category}.html')

export const rules = [
  watch({
    table: 'item',
    columns: ['category', 'version'],
    evicts: [evictRoute(itemPage, { id: 'id' }), evictRoute(categoryPage, { category: 'category' })],
    maxSelectors: 200,
  }),
]

export const itemCount = 60
export const categoryCount = 6

export const tables = `
  CREATE TABLE item (id integer PRIMARY KEY, category integer NOT NULL, version bigint NOT NULL DEFAULT 0);
  INSERT INTO item SELECT id, id % ${categoryCount} FROM generate_series(1, ${itemCount}) AS id`

/** How the text of each page is found; with `$1` the one that is asked for, without it all of them by key. */
const itemText =
  "coalesce((SELECT 'item ' || id || ' in ' || category || ' version ' || version FROM item WHERE id = $1), 'no item')"
const categoryText =
  "(SELECT 'category ' || $1 || ': ' || count(*) || ' items, versions ' || coalesce(sum(version), 0) FROM item WHERE category = $1)"

export interface Asked {
  readonly key: string
  readonly sql: string
  readonly id: number
}

export const pages: readonly Asked[] = [
  ...Array.from({ length: itemCount }, (_, at) => ({
    key: itemPage.key({ id: at + 1 }),
    sql: `SELECT ${itemText} AS text`,
    id: at + 1,
  })),
  ...Array.from({ length: categoryCount }, (_, at) => ({
    key: categoryPage.key({ category: at }),
    sql: `SELECT ${categoryText} AS text`,
    id: at,
  })),
]
