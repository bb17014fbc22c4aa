/** `bench`: how soon one's own pages are answered, the first time and then. An estimate, from one host, without think time. */
import { reasonOf } from '../../core/errors.js'
import { readAddress, request } from '../addresses.js'
import { exitCodes } from '../exit-codes.js'
import { table } from '../terminal.js'
import { readCount } from '../usage-error.js'
import type { Context } from '../workplace.js'

/** Exit code 1 when a request failed. */
export async function bench(
  { settings, terminal, signal }: Context,
  given: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const addresses = given.map((written) => readAddress(written, settings))
  const seconds = readCount('--seconds', flags.seconds as string | undefined, 5)
  const concurrency = readCount('--concurrency', flags.concurrency as string | undefined, 4)
  const first: number[] = []
  for (const address of addresses) first.push((await request(address, signal)).ms)
  const times: number[] = []
  const failures: string[] = []
  let at = 0
  const beganMs = performance.now()
  const endMs = beganMs + seconds * 1000
  const work = async () => {
    while (performance.now() < endMs && !signal.aborted) {
      const address = addresses[at++ % addresses.length] ?? ''
      try {
        const { ms, status } = await request(address, signal)
        if (status >= 400) failures.push(`${address}: status ${status}`)
        else times.push(ms)
      } catch (thrown) {
        if (!signal.aborted) failures.push(`${address}: ${reasonOf(thrown)}`)
      }
      terminal.progress(Math.floor((performance.now() - beganMs) / 1000), seconds, 'seconds')
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  const tookMs = performance.now() - beganMs
  times.sort((a, b) => a - b)
  const quantile = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  const answer = {
    addresses,
    requests: times.length,
    failed: failures.length,
    perSecond: times.length / (tookMs / 1000),
    firstMs: first,
    medianMs: quantile(0.5),
    p90Ms: quantile(0.9),
    p99Ms: quantile(0.99),
    maxMs: times.at(-1) ?? 0,
  }
  for (const failure of [...new Set(failures)].slice(0, 5)) terminal.note(failure)
  const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`
  terminal.answer(answer, () =>
    table([
      [
        'requests',
        `${answer.requests}, ${answer.failed} failed, ${answer.perSecond.toFixed(0)} a second, ${concurrency} at a time`,
      ],
      ['first', first.map(ms).join(' ')],
      ['median', ms(answer.medianMs)],
      ['90 %', `within ${ms(answer.p90Ms)}`],
      ['99 %', `within ${ms(answer.p99Ms)}`],
      ['longest', ms(answer.maxMs)],
    ]),
  )
  return failures.length > 0 ? exitCodes.findings : exitCodes.ok
}
