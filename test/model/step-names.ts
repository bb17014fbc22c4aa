/**
 * The steps of the protocol by name. The model's processes use them, and recording-files.ts gives the calls of
 * the real store the same names: a step that is renamed, added or moved on one side only fails a test.
 *
 * Calls that no other process can notice (`fstat`, `fchmod`, `close`, drafts in `temp/`) have no name.
 */
export const stepNames = [
  // Data: no call of the store.
  'commit',
  'render',
  'acknowledge',
  // Leases.
  'create token',
  'link lock to token',
  'stat lock',
  'unlink lock',
  'stat token',
  'unlink token',
  'list leases',
  // A fill.
  'open token',
  'write token',
  'resolve page directory',
  'rename token to page',
  'make page directory',
  // Tags.
  'stat eviction log',
  'open eviction log',
  'link eviction log',
  'fstat eviction log',
  'read eviction log',
  'write eviction log',
  'rename eviction log away',
  'open bucket',
  'write bucket',
  'read bucket',
  'stat bucket',
  'list compacting',
  'read part',
  'rename bucket to part',
  'rename part to part',
  'unlink part',
  // Records.
  'rename draft to record',
  'open page',
  'read record',
  'stat record',
  'unlink record',
  'stat records directory',
  'rename records to trash',
  // Removal.
  'stat page',
  'unlink page',
  'list page directory',
  'stat page directory',
  'rename page directory to trash',
  'unlink page in trash',
  'remove directory in trash',
] as const

export type StepName = (typeof stepNames)[number]
