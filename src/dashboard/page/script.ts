/**
 * What runs in the browser: it listens to the events, draws, and asks for the tree. Plain JavaScript of ES2022,
 * served as it stands; everything that comes from the server becomes text, never markup.
 */

export const script = `'use strict'
const $ = (id) => document.getElementById(id)
const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'onclick') element.addEventListener('click', value)
    else if (value !== undefined && value !== null) element.setAttribute(key, value)
  }
  element.append(...children.filter((child) => child !== undefined && child !== null))
  return element
}

// Words for numbers.
const count = (value) => (value === null || value === undefined ? '–' : Number(value).toLocaleString('en'))
const plural = (value, one) => count(value) + ' ' + one + (value === 1 ? '' : 's')
const bytes = (value) => {
  if (value === null || value === undefined) return ''
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let at = 0
  let left = value
  while (left >= 1000 && at < units.length - 1) { left /= 1000; at++ }
  return (at === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)) + ' ' + units[at]
}
const span = (seconds) => {
  if (seconds === null || seconds === undefined) return '–'
  if (seconds < 10) return seconds.toFixed(1) + ' s'
  if (seconds < 120) return Math.round(seconds) + ' s'
  if (seconds < 7200) return Math.round(seconds / 60) + ' min'
  return (seconds / 3600).toFixed(1) + ' h'
}
const ms = (value) => (value === null || value === undefined ? '–' : value < 1000 ? Math.round(value) + ' ms' : (value / 1000).toFixed(1) + ' s')
const time = (atMs) => new Date(atMs).toLocaleTimeString('en-GB')

// What is known, and when it was last heard.
let state
let heardAtMs = Date.now()
let isCut = false
let samples = []

let source
function connect() {
  source?.close()
  source = new EventSource('events')
  source.addEventListener('state', (event) => { heard(); state = JSON.parse(event.data); show() })
  source.addEventListener('samples', (event) => { heard(); samples = JSON.parse(event.data); draw() })
  source.addEventListener('error', () => {
    isCut = true
    sound()
    // The browser gives up where the answer was no stream; we do not.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000)
  })
}
function heard() { heardAtMs = Date.now(); isCut = false }
setInterval(() => {
  if (Date.now() - heardAtMs > 5000) isCut = true
  sound()
}, 1000)

// The alarm and the light.
let said = ''
function sound() {
  const troubles = []
  const silent = Math.round((Date.now() - heardAtMs) / 1000)
  if (isCut) troubles.push('The stream is cut: nothing has been heard from the server for ' + silent + ' s. What you see below is old. Trying again…')
  else if (state) {
    if (state.isSilent) troubles.push('The invalidator is silent' + (state.lagSeconds === null ? '' : ': every change was last known to be evicted ' + span(state.lagSeconds) + ' ago') + '. Pages may be stale.')
    if (state.isBlind) troubles.push('The cache is blind: it does not hear from its invalidator, and renders every page.')
    if (state.nodesFailed) troubles.push('The nodes could not be asked.')
    if (state.historyFailed) troubles.push('What other processes did could not be read.')
  }
  // Numbers that change each second are shown and not said again.
  const gist = troubles.map((text) => text.replace(/[\\d.]+ (s|min|h)\\b/g, '')).join('|')
  const alarm = $('alarm')
  if (gist !== said) {
    alarm.replaceChildren(...troubles.map((text) => make('p', {}, text)))
    alarm.hidden = troubles.length === 0
  } else if (troubles.length > 0) {
    alarm.setAttribute('aria-live', 'off')
    troubles.forEach((text, at) => { alarm.children[at].textContent = text })
    alarm.removeAttribute('aria-live')
  }
  said = gist
  const health = isCut ? 'unknown' : !state ? 'unknown' : troubles.length > 0 ? 'bad' : 'good'
  const words = isCut ? 'not connected' : !state ? 'connecting…' : health === 'bad' ? 'not well' : state.invalidator || state.lagSeconds !== null ? 'well, live' : 'live; no invalidator was ever heard'
  $('health').dataset.health = isCut ? 'bad' : health
  if ($('health-text').textContent !== words) $('health-text').textContent = words
  document.title = (health === 'good' ? '' : '⚠ ') + 'pagekeep'
}

function tile(name, value, note, health = '') {
  const box = $('tile-' + name)
  box.querySelector('b').textContent = value
  box.querySelector('small').textContent = note ?? ''
  box.dataset.health = health
}

function rows(id, list, none, cells) {
  const body = $(id).tBodies[0]
  const columns = $(id).tHead.rows[0].cells.length
  const made = list.map((item) => make('tr', {}, ...cells(item)))
  if (made.length === 0) made.push(make('tr', {}, make('td', { colspan: columns, class: 'none' }, none)))
  // Rows that stay the same are left alone, so that a selection in them survives.
  if (body.textContent === made.map((row) => row.textContent).join('')) return
  body.replaceChildren(...made)
}
const cell = (text, kind, label) => make('td', { class: kind, 'data-label': label }, text ?? '')

function show() {
  const asked = state.hits + state.misses
  $('store').textContent = '· ' + state.store + ' store'
  const recent = samples.slice(-12)
  const sum = (name) => recent.reduce((total, sample) => total + sample[name], 0)
  const near = sum('hits') + sum('misses')
  const { unseen } = state
  const elsewhere = 'not seen from here'
  $('unseen').hidden = unseen === null
  $('charts').hidden = unseen !== null
  if (unseen !== null && $('unseen').querySelector('ul').children.length !== unseen.length) $('unseen').querySelector('ul').replaceChildren(...unseen.map((text) => make('li', {}, text)))
  if (unseen !== null) tile('ratio', '–', elsewhere)
  else tile('ratio', asked === 0 ? '–' : (100 * state.hits / asked).toFixed(1) + ' %', near === 0 ? plural(asked, 'request') : (100 * sum('hits') / near).toFixed(1) + ' % of the last minute')
  tile('lag', span(state.lagSeconds), state.lagSeconds === null ? 'no sign of life' : 'behind the database', state.isSilent ? 'bad' : '')
  tile('inflight', count(state.inFlight), '')
  const queues = state.invalidator?.queues ?? []
  const known = state.nodes.filter((node) => typeof node.backlog === 'number')
  const told = known.length > 0 ? known.reduce((total, node) => total + node.backlog, 0) : null
  const waiting = state.invalidator ? queues.reduce((total, queue) => total + (queue.backlog ?? 0), 0) + (state.invalidator.owed ?? 0) : told
  tile('backlog', waiting === null ? '–' : count(waiting), state.invalidator ? 'in queues' : waiting === null ? 'the listener runs elsewhere' : 'as the database says', waiting > 1000 ? 'warn' : '')
  const sumOf = (list, name) => list.reduce((total, one) => total + (one[name] ?? 0), 0)
  if (unseen === null) {
    tile('removed', count(state.removed), 'by ' + plural(state.evictions, 'eviction'))
    tile('doomed', count(state.doomed), 'answered, not kept')
    tile('blind', state.isBlind ? 'now' : 'no', span(state.blindSeconds) + ' in all', state.isBlind ? 'bad' : '')
  } else {
    tile('removed', count(sumOf(state.recentEvictions, 'removed')), state.recentEvictions.length === 1 ? 'by the last eviction' : 'by the last ' + plural(state.recentEvictions.length, 'eviction'))
    tile('doomed', count(sumOf(state.recentEvictions, 'doomed')), 'by these evictions')
    tile('blind', '–', elsewhere)
  }
  tile('size', state.pages === null ? unseen !== null ? '–' : count(state.kept) : count(state.pages), state.bytes === null ? (state.pages === null ? (unseen === null ? 'since the start' : 'not measured yet') : 'pages') : 'pages, ' + bytes(state.bytes))

  rows('table-evictions', state.recentEvictions, unseen === null ? 'No eviction yet, in this process.' : 'None is known.', (one) => [
    cell(time(one.atMs), 'when'),
    cell(one.why, '', 'why'),
    cell(one.rules.join(', ') || '–', '', 'rule'),
    make('td', {}, make('code', {}, one.selectors.join(' ')), one.keys.length > 0 && one.keys.join(' ') !== one.selectors.join(' ') ? make('small', {}, one.keys.join(' ') + (one.removed !== null && one.removed > one.keys.length ? ' …' : '')) : null),
    cell(count(one.removed), 'n', 'pages'),
    cell(count(one.doomed), 'n', 'doomed'),
  ])
  const own = state.invalidator === null ? [] : [{ name: state.invalidator.node ?? 'this process', state: state.invalidator.state, lagSeconds: state.lagSeconds, backlog: queues.length > 0 ? null : state.invalidator.owed, setAside: null }, ...queues.map((queue) => ({ name: '└ ' + queue.table, state: '', lagSeconds: null, backlog: queue.backlog, setAside: queue.setAside, isQueue: true }))]
  const beside = state.invalidator === null && state.lagSeconds !== null ? [{ name: 'another process', state: state.isSilent ? 'silent' : 'heard', lagSeconds: state.lagSeconds, backlog: null, setAside: null }] : []
  rows('table-nodes', [...own, ...beside, ...state.nodes], 'No invalidator runs in this process, and none was ever heard.', (node) => [
    cell(node.name), cell(node.state), cell(node.isQueue || node.lagSeconds === undefined ? '' : span(node.lagSeconds), 'n', 'lag'), cell(node.backlog === null || node.backlog === undefined ? '' : count(node.backlog), 'n', 'backlog'), cell(node.setAside === null || node.setAside === undefined ? '' : count(node.setAside), 'n', 'set aside'),
  ])
  rows('table-faults', state.faults, unseen === null ? 'None.' : 'None in this process.', (fault) => [
    make('td', {}, make('code', {}, fault.code), make('small', {}, fault.source)), cell(count(fault.count), 'n', 'times'), cell(time(fault.lastAtMs), 'when', 'last'), cell(fault.message),
  ])
  rows('table-dooms', state.recentDooms, 'None.', (doom) => [cell(time(doom.atMs), 'when'), make('td', {}, make('code', {}, doom.key))])
  rows('table-blinds', state.blindPeriods, unseen === null ? 'None.' : 'Not seen from here.', (period) => [cell(time(period.fromMs), 'when'), cell(period.untilMs === null ? 'until now' : span((period.untilMs - period.fromMs) / 1000), 'n')])
  $('evict-form').hidden = !state.canEvict
  $('doctor-run').hidden = !state.hasDoctor
  $('doctor-none').hidden = state.hasDoctor
  $('footer-time').textContent = 'as of ' + time(state.nowMs)
  sound()
}

// Charts: a line or two over the last quarter of an hour.
const svg = (name, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}
function chart(id, title, lines, top, unit) {
  const [width, height, left, bottom] = [Math.max(260, $(id).clientWidth), 170, 46, 20]
  const endMs = samples.at(-1)?.atMs ?? Date.now()
  const fromMs = endMs - 15 * 60000
  const x = (atMs) => left + ((atMs - fromMs) / (endMs - fromMs)) * (width - left - 6)
  const y = (value) => 8 + (1 - Math.min(value, top) / top) * (height - bottom - 8)
  const picture = svg('svg', { viewBox: '0 0 ' + width + ' ' + height, role: 'img' }, svg('title', {}, title))
  for (const part of [0, 0.5, 1]) {
    picture.append(svg('line', { class: 'grid', x1: left, x2: width - 6, y1: y(part * top), y2: y(part * top) }), svg('text', { x: left - 6, y: y(part * top) + 4, 'text-anchor': 'end' }, unit(part * top)))
  }
  for (const minutes of [15, 10, 5, 0]) picture.append(svg('text', { x: x(endMs - minutes * 60000), y: height - 4, 'text-anchor': minutes === 15 ? 'start' : minutes === 0 ? 'end' : 'middle' }, minutes === 0 ? 'now' : '−' + minutes + ' min'))
  lines.forEach(({ points }, at) => {
    let path = ''
    let before
    for (const [atMs, value] of points) {
      if (atMs < fromMs) continue
      // A gap in what is known is a gap in the line.
      path += (before !== undefined && atMs - before < 30000 ? 'L' : 'M') + x(atMs).toFixed(1) + ' ' + y(value).toFixed(1)
      before = atMs
    }
    if (path !== '') picture.append(svg('path', { class: 'line-' + at, d: path }))
    const last = points.at(-1)
    if (last !== undefined && last[0] >= fromMs) picture.append(svg('circle', { class: 'dot-' + at, cx: x(last[0]), cy: y(last[1]), r: 3 }))
  })
  const words = lines.map(({ name, points }, at) => make('span', { class: 'key-' + at }, name + ': ' + (points.length === 0 ? 'nothing yet' : unit(points.at(-1)[1]))))
  $(id).replaceChildren(picture, make('figcaption', {}, ...words))
}
const niceTop = (value) => { for (let top = 10; ; top *= 10) for (const part of [1, 2, 5]) if (top * part >= value) return top * part }
function draw() {
  const asked = samples.filter(({ hits, misses }) => hits + misses > 0)
  chart('chart-ratio', 'Hit ratio over the last 15 minutes', [{ name: 'hits of all requests', points: asked.map(({ atMs, hits, misses }) => [atMs, 100 * hits / (hits + misses)]) }], 100, (value) => Math.round(value) + ' %')
  const rendered = samples.filter(({ medianMs }) => medianMs !== null)
  const top = niceTop(Math.max(10, ...rendered.map(({ slowMs }) => slowMs)))
  chart('chart-latency', 'Time of renders over the last 15 minutes', [{ name: 'median', points: rendered.map(({ atMs, medianMs }) => [atMs, medianMs]) }, { name: 'slowest twentieth', points: rendered.map(({ atMs, slowMs }) => [atMs, slowMs]) }], top, ms)
}

addEventListener('resize', () => draw())

// The tree.
async function ask(address) {
  const answer = await fetch(address, { headers: { accept: 'application/json' } })
  const found = await answer.json()
  if (!answer.ok) throw new Error(found.error ?? answer.statusText)
  return found
}
const evictButton = (selector, what) => state?.canEvict ? make('button', { type: 'button', 'aria-label': 'Evict ' + what, onclick: () => confirmEvict(selector) }, 'Evict') : null
function entry(item) {
  const size = [item.kind === 'directory' ? plural(item.pages, 'page') : null, bytes(item.bytes)].filter(Boolean).join(', ')
  if (item.kind === 'page') return make('li', {}, make('div', { class: 'row' }, make('span', { class: 'name leaf' }, item.name), make('span', { class: 'meta' }, size), evictButton(item.path, item.path)))
  const below = make('ul', { hidden: '' })
  const toggle = make('button', { type: 'button', class: 'toggle', 'aria-expanded': 'false', onclick: async () => {
    const isOpen = toggle.getAttribute('aria-expanded') === 'true'
    toggle.setAttribute('aria-expanded', String(!isOpen))
    below.hidden = isOpen
    if (!isOpen) await load(below, 'tree?directory=' + encodeURIComponent(item.path))
  } }, item.name)
  return make('li', {}, make('div', { class: 'row' }, make('span', { class: 'name' }, toggle), make('span', { class: 'meta' }, size), evictButton(item.path + '/**', 'everything in ' + item.path)), below)
}
async function load(list, address) {
  try {
    const found = await ask(address)
    list.replaceChildren(...found.entries.map(entry))
    const isTop = list === $('tree')
    const note = found.entries.length === 0 ? 'No pages.' : found.isCut ? 'There is more than is shown or counted; search for it.' : ''
    if (isTop) $('tree-note').textContent = note
    else if (note !== '') list.append(make('li', { class: 'meta' }, note))
  } catch (thrown) {
    $('tree-note').textContent = 'The pages cannot be listed: ' + thrown.message
  }
}
const find = () => { const text = $('find-text').value.trim(); return load($('tree'), text === '' ? 'tree' : 'tree?find=' + encodeURIComponent(text)) }
$('find').addEventListener('submit', (event) => { event.preventDefault(); find() })
$('find-clear').addEventListener('click', () => { $('find-text').value = ''; find() })

// Evicting.
$('evict-form').addEventListener('submit', (event) => { event.preventDefault(); const text = $('evict-text').value.trim(); if (text !== '') confirmEvict(text) })
function confirmEvict(selector) {
  const dialog = $('confirm')
  $('confirm-what').textContent = selector
  dialog.returnValue = ''
  dialog.showModal()
  dialog.addEventListener('close', () => { if (dialog.returnValue === 'yes') evict(selector) }, { once: true })
}
async function evict(selector) {
  const note = $('evict-note')
  note.textContent = 'Evicting ' + selector + '…'
  try {
    const answer = await fetch('evict', { method: 'POST', headers: { 'content-type': 'application/json', 'x-pagekeep': '1' }, body: JSON.stringify({ selector }) })
    const report = await answer.json()
    if (!answer.ok) throw new Error(report.error)
    note.textContent = 'Evicted ' + selector + ': ' + plural(report.removed, 'page') + ' removed, ' + plural(report.doomed, 'render') + ' doomed.'
    await find()
  } catch (thrown) {
    note.textContent = 'Not evicted: ' + thrown.message
  }
}

// The doctor.
$('doctor-run').addEventListener('click', async () => {
  $('doctor-note').textContent = 'Looking…'
  try {
    const findings = await ask('doctor')
    $('doctor-findings').replaceChildren(...findings.map((one) => make('li', {}, make('span', { class: 'level level-' + one.level }, one.level), ' ', make('b', {}, one.subject), ' ', one.message, one.advice ? make('div', {}, one.advice) : null)))
    const bad = findings.filter((one) => one.level !== 'ok').length
    $('doctor-note').textContent = plural(findings.length, 'finding') + ', ' + (bad === 0 ? 'all well.' : bad + ' to look at.')
  } catch (thrown) {
    $('doctor-note').textContent = 'It could not look: ' + thrown.message
  }
})

draw()
connect()
// The buttons of the tree depend on what is allowed.
ask('state').then((found) => { state ??= found; show(); return find() }).catch(() => find())
`
