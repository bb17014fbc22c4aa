/** The cache directory as it lies there: is it one, may we use it, is there room, what do dead processes leave. */
import { accessSync, constants, statfsSync } from 'node:fs'
import { reasonOf } from '../../core/errors.js'
import type { ContentCoding } from '../../stores/disk/index.js'
import { type DirectoryFacts, inspectDirectory } from '../../stores/disk/inspect.js'
import { bytes, duration } from '../terminal.js'
import { type Finding, fail, ok, warn } from './finding.js'

const staleLeaseMs = 3_600_000

/** `coding`: what the config says that pages lie in, if it does. */
export function checkDirectory(directory: string, coding?: ContentCoding): Finding[] {
  let facts: DirectoryFacts
  try {
    facts = inspectDirectory(directory)
  } catch (thrown) {
    return [
      fail(
        'directory',
        directory,
        `The cache directory cannot be read: ${reasonOf(thrown)}.`,
        `Let the user of this process read it: chown or chmod "${directory}".`,
      ),
    ]
  }
  const { kind } = facts
  if (kind === 'missing') {
    return [
      fail(
        'directory',
        directory,
        'The cache directory does not exist.',
        'Mend store.directory: it must be the directory that the site keeps its pages in. If the site has never run, start it.',
      ),
    ]
  }
  if (kind === 'not-a-directory')
    return [fail('directory', directory, 'The cache directory is a file.', 'Mend store.directory.')]
  if (kind === 'foreign') {
    return [
      fail(
        'directory',
        directory,
        'The directory holds files and was never a cache.',
        'Mend store.directory: what is named now may be something else altogether, and is left alone.',
      ),
    ]
  }
  if (kind === 'empty')
    return [
      warn(
        'directory',
        directory,
        'The directory is empty: no page was ever kept in it.',
        'Start the site; if it keeps pages elsewhere, mend store.directory.',
      ),
    ]
  return [
    ok('directory', directory, 'It is a cache of pages.'),
    ...checkUse(facts),
    ...checkPlace(facts),
    ...checkCoding(facts, coding),
    checkRoom(directory),
    checkLeftovers(facts),
  ]
}

function checkUse({ directory, leasesPath, userId, groupId, mode = 0 }: DirectoryFacts): Finding[] {
  const findings: Finding[] = []
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    accessSync(leasesPath, constants.R_OK | constants.W_OK | constants.X_OK)
    findings.push(ok('writable', directory, 'This process may write to it.'))
  } catch {
    const advice = `Run as the user ${userId}, or give the directory a group that both are in, and the store fileMode 0o664 and directoryMode 0o2775.`
    findings.push(
      fail(
        'writable',
        directory,
        `The user ${process.getuid?.()} may not write to it: pages cannot be evicted.`,
        advice,
      ),
    )
  }
  if (process.getuid?.() === 0 && userId !== 0) {
    findings.push(
      warn(
        'owner',
        directory,
        `It belongs to the user ${userId} and group ${groupId} (mode ${mode.toString(8)}), and this process is root's.`,
        `Run the listener and these commands as that user: what root makes there, he may not change.`,
      ),
    )
  }
  return findings
}

function checkPlace({ directory, elsewhere, missing }: DirectoryFacts): Finding[] {
  if (elsewhere.length > 0) {
    return [
      fail(
        'same-device',
        directory,
        `Not all of it is on one device: ${elsewhere.join(', ')}. Pages cannot be renamed into place.`,
        'Put the whole directory on one mount.',
      ),
    ]
  }
  if (missing.length > 0) {
    return [
      warn(
        'bookkeeping',
        directory,
        `Somebody removed ${missing.join(', ')}.`,
        'It is made again, and every page evicted, at the next use. Remove the whole directory or nothing.',
      ),
    ]
  }
  return [ok('same-device', directory, 'All of it is on one device.')]
}

/** Nothing is said of plain pages that are to be plain. */
function checkCoding({ directory, codings }: DirectoryFacts, wanted: ContentCoding | undefined): Finding[] {
  const [found, other] = codings
  if (found === undefined || (other === undefined && found === 'identity' && (wanted ?? found) === found)) return []
  if (other !== undefined) {
    const message = `It says that its pages lie in the codings ${codings.join(' and ')}.`
    return [
      fail('coding', directory, message, 'End the processes that use it, remove it, and give all the same coding.'),
    ]
  }
  if (wanted === undefined || wanted === found)
    return [ok('coding', directory, `Its pages lie in the coding ${found}.`)]
  return [
    fail(
      'coding',
      directory,
      `Its pages lie in the coding ${found}, and store.coding is '${wanted}': evictions are refused where pages are kept.`,
      'Mend store.coding; or, to change it, end the processes that use the directory, and remove it.',
    ),
  ]
}

function checkRoom(directory: string): Finding {
  const { bavail, blocks, bsize, ffree, files } = statfsSync(directory)
  const free = bavail * bsize
  const share = blocks === 0 ? 1 : bavail / blocks
  const inodes = files === 0 ? 1 : ffree / files
  const message = `${bytes(free)} are free (${Math.floor(share * 100)} %)${inodes < 0.05 ? `, and ${ffree} inodes` : ''}.`
  const advice =
    'Make room, or bound the cache: maxBytes, maxFiles or minFreeBytes of the store, the same in every process.'
  if (free < 64 * 1024 ** 2 || share < 0.01 || inodes < 0.01) return fail('free-space', directory, message, advice)
  return share < 0.05 || inodes < 0.05
    ? warn('free-space', directory, message, advice)
    : ok('free-space', directory, message)
}

function checkLeftovers({ directory, leases, oldestLeaseAtMs, trash }: DirectoryFacts): Finding {
  const ageMs = oldestLeaseAtMs === undefined ? 0 : Date.now() - oldestLeaseAtMs
  const message = `${leases} tokens and locks of renders, ${trash} directories that are being deleted.`
  if (ageMs < staleLeaseMs) return ok('leftovers', directory, message)
  return warn(
    'leftovers',
    directory,
    `${message} The oldest is ${duration(ageMs)} old.`,
    'A render hangs, or a process was killed; the next process that opens the store removes what is dead.',
  )
}
