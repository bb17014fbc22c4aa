/** The field Cache-Status (RFC 9211): what this cache did with a request, for people and tools. */

export interface Handling {
  /** Answered from the store, without asking the site. */
  readonly isHit?: boolean
  /** Why the site was asked. */
  readonly forwarded?: 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'stale' | 'miss'
  /** What the site answered, where it differs from what is sent. */
  readonly originStatus?: number | undefined
  /** Whether the answer is kept now. */
  readonly isStored?: boolean | undefined
  /** Whether it came with another visitor's request. */
  readonly isCollapsed?: boolean | undefined
  /** For how long it is fresh still, in seconds; below 0 when it is not. */
  readonly ttlSeconds?: number | undefined
  readonly detail?: string | undefined
}

/** Of a page that does not expire: nothing more is to be said. */
export const plainHit: Handling = { isHit: true }

export function cacheStatusOf(name: string, handling: Handling): string {
  const { isHit, forwarded, originStatus, isStored, isCollapsed, ttlSeconds, detail } = handling
  const members = [name]
  if (isHit) members.push('hit')
  if (forwarded !== undefined) members.push(`fwd=${forwarded}`)
  if (originStatus !== undefined) members.push(`fwd-status=${originStatus}`)
  if (isStored !== undefined) members.push(isStored ? 'stored' : 'stored=?0')
  if (isCollapsed) members.push('collapsed')
  if (ttlSeconds !== undefined) members.push(`ttl=${Math.floor(ttlSeconds)}`)
  if (detail !== undefined) members.push(`detail=${detail}`)
  return members.join('; ')
}
