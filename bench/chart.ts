/** Ratios as bars, on a logarithmic scale: a line at 1 is the floor. An SVG that needs nothing else. */
import type { Measured } from './rounds.js'

const width = 760
const labelWidth = 250
const rowHeight = 26
const top = 44
const barWidth = width - labelWidth - 110
const colours = { floor: '#8a8f98', ours: '#0b6e4f', others: '#b9bec6' }

/** `isOurs` tells whose bars are to stand out. */
export function chartOf(title: string, measured: readonly Measured[], isOurs: (name: string) => boolean): string {
  const ratios = measured.map(({ ratio }) => Math.max(ratio, 1e-4))
  const least = 10 ** Math.floor(Math.log10(Math.min(...ratios, 1)) - 0.01)
  const most = 10 ** Math.ceil(Math.log10(Math.max(...ratios, 1)) + 0.01)
  const at = (ratio: number) => labelWidth + (barWidth * Math.log10(ratio / least)) / Math.log10(most / least)
  const height = top + measured.length * rowHeight + 30
  const rows = measured.flatMap(({ name, quartiles }, index) => {
    const y = top + index * rowHeight
    const ratio = ratios[index] ?? 1
    const colour = index === 0 ? colours.floor : isOurs(name) ? colours.ours : colours.others
    const [low, high] = quartiles.map((value) => at(Math.min(most, Math.max(least, value))))
    return [
      `<text x="${labelWidth - 8}" y="${y + 16}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${labelWidth}" y="${y + 4}" width="${(at(ratio) - labelWidth).toFixed(1)}" height="16" fill="${colour}"/>`,
      `<path d="M${low?.toFixed(1)} ${y + 12}H${high?.toFixed(1)}" stroke="#333" stroke-width="1.5"/>`,
      `<text x="${(Math.max(at(ratio), high ?? 0) + 6).toFixed(1)}" y="${y + 16}">${ratio}</text>`,
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="24" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...ticks(least, most).map(
      (tick) =>
        `<path d="M${at(tick).toFixed(1)} ${top - 6}V${height - 24}" stroke="${tick === 1 ? '#555' : '#ddd'}"/>` +
        `<text x="${at(tick).toFixed(1)}" y="${height - 8}" text-anchor="middle" fill="#555" font-size="11">${tick}</text>`,
    ),
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

function ticks(least: number, most: number): number[] {
  const count = Math.round(Math.log10(most / least)) + 1
  return Array.from({ length: count }, (_, index) => Number((least * 10 ** index).toPrecision(3)))
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
