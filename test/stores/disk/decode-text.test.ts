/** Text as Node's own decoder gives it, whatever the bytes. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeLater, decodeText } from '../../../src/stores/disk/decode-text.js'
import { countTurns } from '../../support/event-loop.js'

const samples = {
  ASCII: '<p>Ein Wort</p>',
  'two bytes a character': 'Wört, Ωμέγα',
  'three bytes': '日本語のページ',
  'four bytes': '😀👩‍👩‍👧',
  'a byte order mark': '\ufeffText',
  'a replacement character': 'a\ufffdb',
}

describe('decodeText()', () => {
  for (const [name, text] of Object.entries(samples)) {
    it(`gives ${name} back`, async () => {
      for (const times of [1, 100, 10_000, 30_000]) {
        const long = text.repeat(times)
        expect(decodeText(Buffer.from(long)) === long).toBe(true)
        expect((await decodeLater(Buffer.from(long))) === long).toBe(true)
      }
    })
  }

  it('cuts no character, wherever a piece would end', () => {
    for (const before of ['', 'a', 'ab', 'abc', 'abcd']) {
      for (const character of ['👍', '日', 'ä', '\ufeff']) {
        const text = before + character.repeat(60_000)
        expect(decodeText(Buffer.from(text)) === text).toBe(true)
      }
    }
  })

  it('gives any text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 200 }), (text) => {
        expect(decodeText(Buffer.from(text.repeat(3)))).toBe(text.repeat(3))
      }),
    )
  })

  it('reads bytes that are no UTF-8 as Node does', async () => {
    const long = Buffer.concat([Buffer.from('ä'.repeat(1000)), Buffer.of(0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80)])
    expect(decodeText(long)).toBe(long.toString())
    expect(await decodeLater(long)).toBe(long.toString())
  })
})

describe('decodeLater()', () => {
  it('cuts no character, wherever a slice would end', async () => {
    for (const before of ['', 'a', 'ab', 'abc']) {
      const text = before + '👍'.repeat(300_000)
      expect((await decodeLater(Buffer.from(text))) === text).toBe(true)
    }
  })

  it('lets others have their turn in between', async () => {
    const turns = countTurns()
    await decodeLater(Buffer.from('ä'.repeat(2 ** 20)))
    expect(turns.count()).toBeGreaterThan(3)
  })
})
