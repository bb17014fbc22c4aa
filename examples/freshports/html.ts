/**
 * HTML as a value: what is put into a template is escaped unless it is HTML already, and the frame that
 * all pages have.
 */
import { readFileSync } from 'node:fs'

export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type Content = Html | string | number | readonly Content[]

/** Text and numbers are escaped, lists joined: html`<p>${description}</p>`. */
export function html(texts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(String.raw({ raw: texts }, ...values.map(write)))
}

function write(value: Content): string {
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(write).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** Stands in every kept page; what is said there depends on the answer. A browser shows a comment as nothing. */
const noteMark = '<!--how this answer was made-->'

/** `page` with `note` where it says when it was rendered. */
export function withNote(page: string, note: string): string {
  return page.replace(noteMark, () => write(note))
}

// In the page itself, so that a kept file is whole wherever it is opened.
const style = new Html(readFileSync(new URL('style.css', import.meta.url), 'utf8'))

/** A whole page. It says when it was rendered: that is kept with it. */
export function frame(title: string, content: Content): string {
  const renderedAt = new Date().toISOString()
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · FreshPorts example</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header>
<a href="/">FreshPorts <small>an example of pagekeep</small></a>
<p class="quiet">Rendered <time datetime="${renderedAt}">${renderedAt.replace('T', ' ').replace('Z', ' UTC')}</time>${new Html(noteMark)}.</p>
</header>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`.text
}
