/**
 * Which change evicts which pages: the whole of what the cache has to be told. One rule a row of
 * `listen_for`; what fills the queues is in triggers.sql.
 */
import { rule } from 'pagekeep/invalidators/postgres'
import { categoryPage, dayPage, newsPage, portPage } from './routes.js'

const news = newsPage.pattern()

export const rules = [
  rule({
    channel: 'port_updated',
    queue: { table: 'cache_clearing_ports', columns: ['category', 'port'] },
    evict: ({ category, port }) => [
      portPage.pattern({ category, name: port }),
      categoryPage.pattern({ category }),
      news,
    ],
  }),
  rule({
    channel: 'date_updated',
    queue: { table: 'cache_clearing_dates', columns: ['date_to_clear'] },
    evict: ({ date_to_clear: date }) => [dayPage.pattern({ date }), news],
  }),
  ...['category_new', 'ports_moved', 'ports_updating', 'vuxml'].map((channel) => rule({ channel, evict: () => news })),
]
