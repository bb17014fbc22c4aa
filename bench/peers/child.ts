/** The forked process of forked-renderer.ts. Arguments: the peer's name, the form's, the directory. */
import { peers } from './adapters/index.js'
import type { Order } from './forked-renderer.js'
import { LocalRenderer } from './renderer.js'

const [peerName, formName, directory = ''] = process.argv.slice(2)
const form = peers.find(({ name }) => name === peerName)?.forms.find(({ name }) => name === formName)
if (form === undefined) throw new Error(`There is no form ${formName} of ${peerName}`)
const renderer = new LocalRenderer(await form.open(directory))

process.on('message', async ({ call, page = { key: '', tags: [] }, text = '' }: Order) => {
  if (call === 'begin') await renderer.begin(page, text)
  const answer = call === 'end' ? await renderer.end() : call === 'visit' ? await renderer.visit(page, text) : ''
  process.send?.(answer)
})
