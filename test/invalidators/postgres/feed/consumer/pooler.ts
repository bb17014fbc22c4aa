/**
 * What PgBouncer looks like to a client, as far as it matters here: the process number that it hands out is its
 * own. A proxy that changes that number in the server's greeting (BackendKeyData, "K").
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export async function pooler(connection: string): Promise<{ readonly connection: string; close(): Promise<void> }> {
  const target = new URL(connection)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    upstream.on('data', (bytes: Buffer) => client.write(disguise(bytes)))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const through = new URL(connection)
  through.port = String((server.address() as AddressInfo).port)
  return {
    connection: through.href,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function disguise(bytes: Buffer): Buffer {
  const at = bytes.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
  if (at === -1 || at + 9 > bytes.length) return bytes
  const changed = Buffer.from(bytes)
  changed.writeInt32BE(1, at + 5)
  return changed
}
