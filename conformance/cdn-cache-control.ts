/**
 * RFC 9213 in the suite's own form: what `CDN-Cache-Control` means to the cache it is aimed at. For releases of the
 * suite that have no such tests (npm's); the tests bear the names that the suite's repository gives to the same
 * questions, so that results can be compared. Each is one response, a pause or none, and whether it was kept.
 */
import type { SuiteTest } from './results.js'

type Header = readonly [name: string, value: string | number, isChecked?: boolean]

interface Case {
  readonly id: string
  readonly kind?: 'required' | 'optimal' | 'check'
  readonly cdn: string
  /** Other fields of the response; numbers are seconds from now, as dates. */
  readonly others?: readonly Header[]
  readonly isKept: boolean
  readonly hasNoPause?: boolean
}

const long = 'max-age=3600'
const date: Header = ['Date', 0]

const cases: readonly Case[] = [
  { id: 'cdn-max-age', kind: 'optimal', cdn: long, isKept: true },
  { id: 'cdn-max-age-max', kind: 'optimal', cdn: 'max-age=2147483648', isKept: true },
  { id: 'cdn-max-age-max-plus', kind: 'optimal', cdn: 'max-age=99999999999', isKept: true },
  { id: 'cdn-max-age-age', cdn: long, others: [date, ['Age', '7200']], isKept: false },
  {
    id: 'cdn-max-age-space-before-equals',
    kind: 'check',
    cdn: 'max-age =100',
    others: [['Cache-Control', 'max-age=1']],
    isKept: false,
  },
  {
    id: 'cdn-max-age-space-after-equals',
    kind: 'check',
    cdn: 'max-age= 100',
    others: [['Cache-Control', 'max-age=1']],
    isKept: false,
  },
  { id: 'cdn-max-age-0', cdn: 'max-age=0', isKept: false },
  { id: 'cdn-max-age-extension', kind: 'optimal', cdn: `foobar, ${long}`, isKept: true },
  { id: 'cdn-max-age-case-insensitive', kind: 'check', cdn: 'MaX-aGe=3600', isKept: true },
  { id: 'cdn-max-age-expires', kind: 'optimal', cdn: long, others: [['Expires', -10000], date], isKept: true },
  {
    id: 'cdn-max-age-cc-max-age-invalid-expires',
    kind: 'optimal',
    cdn: long,
    others: [['Expires', '0', false], date],
    isKept: true,
  },
  { id: 'cdn-max-age-0-expires', cdn: 'max-age=0', others: [['Expires', 10000], date], isKept: false },
  {
    id: 'cdn-max-age-short-cc-max-age',
    kind: 'optimal',
    cdn: long,
    others: [['Cache-Control', 'max-age=1']],
    isKept: true,
  },
  { id: 'cdn-max-age-long-cc-max-age', cdn: 'max-age=1', others: [['Cache-Control', long]], isKept: false },
  {
    id: 'cdn-private',
    cdn: 'private',
    others: [['Cache-Control', 'max-age=10000'], ['Expires', 10000], date],
    isKept: false,
    hasNoPause: true,
  },
  {
    id: 'cdn-no-cache',
    cdn: 'no-cache',
    others: [['Cache-Control', 'max-age=10000'], ['Expires', 10000], date],
    isKept: false,
    hasNoPause: true,
  },
  {
    id: 'cdn-no-store-cc-fresh',
    cdn: 'no-store',
    others: [['Cache-Control', 'max-age=10000'], ['Expires', 10000], date],
    isKept: false,
  },
  { id: 'cdn-fresh-cc-nostore', cdn: 'max-age=10000', others: [['Cache-Control', 'no-store']], isKept: true },
  {
    id: 'cdn-cc-invalid-sh-type-unknown',
    cdn: 'max-age=10000, &&&&&',
    others: [['Cache-Control', 'no-store']],
    isKept: false,
  },
  {
    id: 'cdn-cc-invalid-sh-type-wrong',
    cdn: 'max-age="10000"',
    others: [['Cache-Control', 'no-store']],
    isKept: false,
  },
]

export const targetedTests = {
  id: 'cdn-cache-control',
  name: 'CDN-Cache-Control',
  tests: cases.map(
    ({ id, kind = 'required', cdn, others = [], isKept, hasNoPause }): SuiteTest & { requests: unknown } => ({
      id,
      kind,
      name: `CDN-Cache-Control: ${cdn}${others.map(([name, value]) => `; ${name}: ${value}`).join('')}`,
      ...(id !== 'cdn-max-age' && { depends_on: [isKept ? 'freshness-none' : 'cdn-max-age'] }),
      requests: [
        {
          response_headers: [...others.map((header) => [...header]), ['CDN-Cache-Control', cdn, false]],
          setup: true,
          ...(!hasNoPause && { pause_after: true }),
        },
        { expected_type: isKept ? 'cached' : 'not_cached' },
      ],
    }),
  ),
}
