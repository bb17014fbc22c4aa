/**
 * Where the pages are kept: one route a kind of page. The site keeps pages by these, the rules evict by
 * these, so the two cannot disagree about a name.
 */
import { route } from 'pagekeep'

/** The home page: the latest commits and news. */
export const newsPage = route('news/page-{page}.html')
/** The ports of a category. */
export const categoryPage = route('categories/{category}/page-{page}.html')
/** A port and its commits. */
export const portPage = route('ports/{category}/{name}/page-{page}.html')
/** The commits of a day on a branch (`head`, `2020Q1`). */
export const dayPage = route('daily/{date:YYYY/MM/DD}.daily.{branch}')
