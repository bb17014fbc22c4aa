/** A dashboard on node:http, on a free port of the loopback. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createDashboard, type Dashboard, type DashboardOptions } from 'pagekeep/dashboard'

export const token = 'a token for tests only'

export interface ServedDashboard {
  readonly dashboard: Dashboard
  readonly origin: string
  /** The address that shows the token. */
  readonly entrance: string
  /** Ends every connection and listens no more; `up` listens again, on the same port. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

export async function serveDashboard(options: Omit<DashboardOptions, 'token'>): Promise<ServedDashboard> {
  const dashboard = createDashboard({ ...options, token })
  const server = createServer((request, response) => {
    void dashboard(request, response).then((isOurs) => {
      if (!isOurs) response.writeHead(404).end('not the dashboard')
    })
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const down = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    dashboard,
    origin,
    entrance: `${origin}/pagekeep/?token=${encodeURIComponent(token)}`,
    down,
    up: () => listen(port),
    async close() {
      dashboard.close()
      await down()
    },
  }
}
