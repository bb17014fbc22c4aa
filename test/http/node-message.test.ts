import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { pairsOf, sendNodeReply } from '../../src/http/node-message.js'

it('sendNodeReply() sends every field, lines of one name together, whatever it is called', async () => {
  const headers = [
    ['Link', '</a>'],
    ['__proto__', 'odd'],
    ['link', '</b>'],
  ] as const
  const server = createServer((_, response) =>
    sendNodeReply(response, { kind: 'page', status: 200, headers, body: 'text' }),
  )
  onTestFinished(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const asked = request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false }).end()
  const [response] = await once(asked, 'response')
  response.resume()
  const sent = pairsOf(response.rawHeaders).filter(([name]) => /^(link|__proto__)$/i.test(name))
  expect(sent).toEqual([
    ['Link', '</a>'],
    ['Link', '</b>'],
    ['__proto__', 'odd'],
  ])
})
