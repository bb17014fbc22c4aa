import pg from 'pg'

/** One pool a process. */
export const db = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5 })
// Else a restart of PostgreSQL would end the site.
db.on('error', (error) => console.error(error.message))
