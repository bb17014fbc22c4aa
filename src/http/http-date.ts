/** Dates of HTTP: written in one form, read in the three that RFC 9110, 5.6.7 knows. */

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const fixdate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/i
const rfc850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-(\w{3})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/i
const asctime = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i

/** Milliseconds since 1970, or `undefined` for what is no date of HTTP. */
export function parseHttpDate(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  const long = fixdate.exec(text)
  if (long !== null) return moment(long[3], long[2], long[1], long.slice(4))
  const short = rfc850.exec(text)
  if (short !== null) return moment(fourDigits(Number(short[3])), short[2], short[1], short.slice(4))
  const old = asctime.exec(text)
  return old === null ? undefined : moment(old[6], old[1], old[2], old.slice(3, 6))
}

/** As HTTP writes it, to the second. */
export function httpDate(atMs: number): string {
  return new Date(atMs).toUTCString()
}

function moment(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | undefined {
  const index = months.findIndex((name) => name.toLowerCase() === month?.toLowerCase())
  const [hours, minutes, seconds] = time.map(Number)
  if (index === -1 || (hours ?? 24) > 23 || (minutes ?? 60) > 59 || (seconds ?? 61) > 60) return undefined
  return Date.UTC(Number(year), index, Number(day), hours, minutes, seconds)
}

/** A year of two digits that looks over fifty years ahead is of the last century. */
function fourDigits(year: number): string {
  const thisYear = new Date().getUTCFullYear()
  const guess = Math.floor(thisYear / 100) * 100 + year
  return String(guess > thisYear + 50 ? guess - 100 : guess)
}
