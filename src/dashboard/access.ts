/**
 * Who may see the dashboard, and who may evict from it. A token is compared in constant time; a browser that has
 * shown it once has a cookie from then on, which is made from the token and is not the token.
 *
 * What changes something is a POST with a header that no form and no other site can send without being asked
 * (CORS), and from a page of this origin: Fetch Metadata and Origin are checked where the browser sends them.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** What the app hands over to be asked: its own request, of node:http or of the web. */
export type Authorize<Asked> = (request: Asked) => boolean | Promise<boolean>

export interface AccessOptions<Asked> {
  /** At least 12 characters. `false`: everybody may see the dashboard, so something before it must protect it. */
  readonly token?: string | false
  /** The app's own answer, instead of a token. */
  readonly authorize?: Authorize<Asked>
}

export const cookieName = 'pagekeep_dashboard'
const cookieSeconds = 7 * 24 * 3600

export class Access<Asked> {
  readonly #token: string | undefined
  readonly #authorize: Authorize<Asked> | undefined
  readonly #cookie: string

  /** Throws a `TypeError` when nothing protects it, and nobody said that nothing shall. */
  constructor({ token, authorize }: AccessOptions<Asked>) {
    if (token === undefined && authorize === undefined) {
      throw new TypeError(
        'Expected a token or authorize() to protect the dashboard. Say token: false if something before it does.',
      )
    }
    if (token !== undefined && token !== false && (typeof token !== 'string' || token.length < 12)) {
      throw new TypeError('Expected token to be a text of at least 12 characters, or false')
    }
    this.#token = token === false ? undefined : token
    this.#authorize = authorize
    this.#cookie = createHmac('sha256', this.#token ?? '')
      .update('pagekeep dashboard cookie')
      .digest('base64url')
  }

  /** Whether a token opens it, so that it makes sense to ask for one. */
  get takesToken(): boolean {
    return this.#token !== undefined
  }

  async isAllowed(request: Request, asked: Asked): Promise<boolean> {
    if (this.#authorize !== undefined && (await this.#authorize(asked))) return true
    if (this.#token === undefined) return this.#authorize === undefined
    const bearer = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
    if (bearer !== undefined && this.isToken(bearer)) return true
    return cookiesOf(request).some((value) => isEqual(value, this.#cookie))
  }

  isToken(text: string): boolean {
    return this.#token !== undefined && isEqual(text, this.#token)
  }

  /** The `Set-Cookie` for a browser that has shown the token. */
  cookie(path: string, isSecure: boolean): string {
    const secure = isSecure ? '; Secure' : ''
    return `${cookieName}=${this.#cookie}; Path=${path || '/'}; Max-Age=${cookieSeconds}; HttpOnly; SameSite=Lax${secure}`
  }
}

/** Whether a request that changes something comes from a page of this dashboard, or from no browser at all. */
export function isOwnRequest(request: Request): boolean {
  const { headers } = request
  if (headers.get('x-pagekeep') !== '1' || !headers.get('content-type')?.startsWith('application/json')) return false
  const site = headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin' && site !== 'none') return false
  const origin = headers.get('origin')
  return origin === null || hostOf(origin) === headers.get('host')
}

function cookiesOf(request: Request): string[] {
  const prefix = `${cookieName}=`
  return (request.headers.get('cookie') ?? '')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(prefix))
    .map((part) => part.slice(prefix.length))
}

function isEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}
