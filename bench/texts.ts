/** Pages to measure with: text of ASCII alone, and text that is not, of so many bytes. */
export const texts = {
  ASCII: '<p>Ein Wort, ein Satz</p>\n',
  'non-ASCII': '<p>Ein Wört, 日本語</p>\n',
} as const

export type TextKind = keyof typeof texts

export function textOf(kind: TextKind, bytes: number): string {
  const line = texts[kind]
  return line.repeat(Math.ceil(bytes / Buffer.byteLength(line)))
}
