/** The page's HTML: landmarks, headings, tables with captions; what it says comes from script.ts. */

const head = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>pagekeep</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%232f6f4f' d='M3 1h7l3 3v11H3z'/%3E%3C/svg%3E">
<link rel="stylesheet" href="style.css">
</head>
`

/** A column of numbers is written with a `#`. */
const heading = (column: string) =>
  column.startsWith('#') ? `<th scope="col" class="n">${column.slice(1)}</th>` : `<th scope="col">${column}</th>`

const table = (
  id: string,
  caption: string,
  columns: readonly string[],
) => `<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
<table id="${id}"><caption class="visually-hidden">${caption}</caption>
<thead><tr>${columns.map(heading).join('')}</tr></thead><tbody></tbody></table></div>`

const section = (id: string, title: string, body: string) =>
  `<section aria-labelledby="${id}-title" id="${id}"><h2 id="${id}-title">${title}</h2>${body}</section>\n`

const tile = (id: string, label: string) =>
  `<div class="tile" id="tile-${id}"><dt>${label}</dt><dd><b>–</b><small></small></dd></div>`

export const pageHtml = `${head}<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>pagekeep <span id="store"></span></h1>
<p id="health" role="status"><span class="dot" aria-hidden="true"></span><span id="health-text">connecting…</span></p>
</header>
<div id="alarm" role="alert" hidden></div>
<aside id="unseen" aria-label="What this page cannot see" hidden><p>This page is served by a process of its own. It cannot see:</p><ul></ul></aside>
<nav aria-label="Sections"><a href="#evictions">Evictions</a> <a href="#nodes">Listeners</a> <a href="#faults">Faults</a> <a href="#pages">Pages</a> <a href="#doctor">Doctor</a></nav>
<main id="main">
${section(
  'now',
  'Now',
  `<dl class="tiles">${tile('ratio', 'Hit ratio')}${tile('lag', 'Lag')}${tile('inflight', 'Renders in flight')}${tile('backlog', 'Waiting changes')}${tile('removed', 'Pages evicted')}${tile('doomed', 'Doomed renders')}${tile('blind', 'Blind')}${tile('size', 'Kept')}</dl>`,
)}<div class="pair" id="charts">
${section('ratio', 'Hit ratio', '<figure id="chart-ratio"></figure>')}${section('latency', 'Render time', '<figure id="chart-latency"></figure>')}</div>
${section(
  'evictions',
  'Evictions',
  table('table-evictions', 'The latest evictions', ['When', 'Why', 'Rule', 'What', '#Pages', '#Doomed']),
)}<div class="pair">
${section(
  'nodes',
  'Listeners and queues',
  table('table-nodes', 'Listeners, and how far behind they are', ['Node', 'State', '#Lag', '#Backlog', '#Set aside']),
)}${section('faults', 'Faults', table('table-faults', 'Faults by code', ['Code', '#Times', 'Last', 'What it says']))}</div>
<div class="pair">
${section('dooms', 'Doomed renders', table('table-dooms', 'Renders that an eviction overtook', ['When', 'Page']))}${section(
  'blinds',
  'Blind periods',
  table('table-blinds', 'When the cache did not hear from its invalidator', ['From', '#For']),
)}</div>
${section(
  'pages',
  'Pages',
  `<form id="find" role="search"><label for="find-text">Search</label> <input id="find-text" type="search" autocomplete="off" spellcheck="false" placeholder="part of a key, or a pattern such as daily/2020/*/08.*"> <button>Find</button> <button type="button" id="find-clear">Show all</button></form>
<p id="tree-note" role="status"></p>
<ul id="tree" class="tree" aria-label="Kept pages"></ul>
<form id="evict-form" hidden><label for="evict-text">Evict</label> <input id="evict-text" autocomplete="off" spellcheck="false" placeholder="a key, a/subtree/**, a/pattern.*, tag:name"> <button>Evict…</button></form>
<p id="evict-note" role="status"></p>`,
)}${section(
  'doctor',
  'Doctor',
  `<p id="doctor-none">No doctor was handed to this dashboard.</p><button type="button" id="doctor-run" hidden>Look everything over</button><p id="doctor-note" role="status"></p><ul id="doctor-findings"></ul>`,
)}</main>
<dialog id="confirm" aria-labelledby="confirm-title"><form method="dialog"><h2 id="confirm-title">Evict?</h2><p><code id="confirm-what"></code></p><p id="confirm-note">Renders in flight are doomed, the pages are removed, and rendered again when somebody asks.</p><p class="buttons"><button value="no" autofocus>Keep</button> <button value="yes" class="danger">Evict</button></p></form></dialog>
<footer>pagekeep · <span id="footer-time"></span></footer>
<script src="script.js"></script>
</body>
</html>
`

/** What somebody sees who has not shown the token. */
export const signInHtml = (wasWrong: boolean): string => `${head}<body class="sign-in">
<main><h1>pagekeep</h1>
<form method="post" action="sign-in">
<label for="token">Token of this dashboard</label>
<input id="token" name="token" type="password" required autofocus autocomplete="current-password"${wasWrong ? ' aria-invalid="true" aria-describedby="wrong"' : ''}>
${wasWrong ? '<p id="wrong" role="alert">That is not the token.</p>' : ''}<button>Open</button>
</form></main>
</body>
</html>
`
