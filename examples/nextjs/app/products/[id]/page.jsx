import { unstable_cache as kept } from 'next/cache'
import { notFound } from 'next/navigation'
import { db } from '../../../db.mjs'

// Kept until a row changes, not for a time; rendered when somebody asks first, not when the site is built.
export const dynamic = 'force-static'
export const revalidate = false
export const generateStaticParams = () => []

const productOf = (id) =>
  kept(
    async () => {
      const { rows } = await db.query('SELECT name, price FROM products WHERE id = $1', [id])
      return rows[0] ?? null
    },
    ['product', String(id)],
    // The page gets this tag too; the rule in pagekeep.config.json evicts it.
    { tags: [`product:${id}`], revalidate: false },
  )()

export default async function Product({ params }) {
  const id = Number((await params).id)
  const product = Number.isSafeInteger(id) ? await productOf(id) : null
  if (product === null) notFound()
  return (
    <main>
      <h1>{product.name}</h1>
      <p id="price">{`costs ${product.price}`}</p>
      <small>{`rendered ${process.hrtime.bigint()}`}</small>
    </main>
  )
}
