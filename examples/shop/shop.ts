/**
 * A little shop: a table, two pages made from it, and the rules that say which change makes which page old. The
 * examples for web frameworks serve it, each in its own way.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evictTag, watch } from 'pagekeep/invalidators/postgres'
import pg from 'pg'
import { openServer } from './server.js'

const schema = `
  CREATE TABLE IF NOT EXISTS products (
    id int PRIMARY KEY, category text NOT NULL, name text NOT NULL, price int NOT NULL, stock int NOT NULL DEFAULT 0);
  INSERT INTO products VALUES (1, 'drinks', 'tea', 4), (2, 'drinks', 'coffee', 6), (3, 'food', 'bread', 3)
  ON CONFLICT DO NOTHING`

/** No page shows the stock: a change of it alone evicts nothing. */
export const rules = [
  watch({
    table: 'products',
    columns: ['name', 'price'],
    evicts: [evictTag('product:{id}', { all: 'products' }), evictTag('category:{category}', { all: 'products' })],
  }),
]

export class Shop {
  private constructor(
    readonly connection: string,
    readonly db: pg.Pool,
    /** A directory for kept pages. */
    readonly directory: string,
    readonly stopServer: () => Promise<void>,
  ) {}

  static async open(): Promise<Shop> {
    const server = await openServer()
    const db = new pg.Pool({ connectionString: server.connection, max: 4 })
    db.on('error', () => {})
    await db.query(schema)
    const directory = await mkdtemp(join(tmpdir(), 'pagekeep-shop-'))
    return new Shop(server.connection, db, join(directory, 'pages'), server.stop)
  }

  /** The page of a category. Whoever serves it gives it the tags `products` and `category:<category>`. */
  async categoryPage(category: string): Promise<string> {
    const { rows } = await this.db.query('SELECT id, name, price FROM products WHERE category = $1 ORDER BY id', [
      category,
    ])
    const items = rows.map(
      ({ id, name, price }) => `<li><a href="/products/${id}">${escapeHtml(name)}</a> ${price}</li>`,
    )
    return `<!doctype html><title>${escapeHtml(category)}</title><ul>${items.join('')}</ul>\n`
  }

  /** The page of a product, or `undefined`. Its tags: `products` and `product:<id>`. */
  async productPage(id: string): Promise<string | undefined> {
    const { rows } = await this.db.query('SELECT name, price FROM products WHERE id::text = $1', [id])
    const [product] = rows
    return (
      product &&
      `<!doctype html><title>${escapeHtml(product.name)}</title><p>${escapeHtml(product.name)} ${product.price}\n`
    )
  }

  async close(): Promise<void> {
    await this.db.end()
    await this.stopServer()
    await rm(join(this.directory, '..'), { recursive: true, force: true })
  }
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
