import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const source = path.resolve(import.meta.dirname, '../src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const importsOf = (name: string) => {
  const text = readFileSync(path.join(source, name), 'utf8')
  return [...text.matchAll(/^(?:import|export|\}).*from '([^']+)'/gm)].map(([, target = '']) =>
    target.startsWith('.') ? path.relative(source, path.resolve(source, path.dirname(name), target)) : target,
  )
}

/** What a folder may import besides itself and node: modules. */
const mayKnow: Record<string, RegExp> = {
  core: /^core\/|^node:(?!fs)/,
  stores: /^core\/|^stores\/|^node:|^(keyv|fs-extra|lru-cache)$/,
  invalidators: /^core\/|^invalidators\/|^node:|^pg$/,
  http: /^core\/|^http\/|^node:(?!fs)|^lru-cache$/,
  cli: /^core\/|^cli\/|^invalidators\/|^stores\/disk\/(index|inspect)\.js$|^(metrics|dashboard)\/index\.js$|^index\.js$|^node:|^(commander|jiti|pg)$/,
  metrics: /^core\/|^metrics\//,
  dashboard: /^core\/|^dashboard\/|^metrics\/|^node:(?!fs)/,
  testing: /^core\/|^testing\/|^node:/,
}

describe('the code map', () => {
  it.each(files.filter((name) => name.includes('/')))('%s knows only what its folder may know', (name) => {
    const folder = name.split('/')[0] ?? ''
    const strangers = importsOf(name).filter((target) => !mayKnow[folder]?.test(target))
    expect(strangers).toEqual([])
  })

  it('has no file of over 400 lines', () => {
    const long = files.filter((name) => readFileSync(path.join(source, name), 'utf8').split('\n').length > 400)
    expect(long).toEqual([])
  })
})
