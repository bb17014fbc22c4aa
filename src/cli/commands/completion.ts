/** Completion of commands and options, generated from the program itself: one script a shell. */
import type { Command } from 'commander'
import { UsageError } from '../usage-error.js'

/** Throws `UsageError` for a shell that is not known. */
export function completion(shell: string, program: Command): string {
  const make = { bash, zsh, fish }[shell]
  if (make === undefined) throw new UsageError(`Expected the shell to be bash, zsh or fish, got "${shell}"`)
  return make(program)
}

const words = (command: Command): string[] =>
  command.options.flatMap(({ short, long }) => [short, long].filter((name): name is string => name !== undefined))

function bash(program: Command): string {
  const common = words(program).join(' ')
  const cases = program.commands.map(
    (command) => `    ${command.name()}) words="${words(command).join(' ')} ${common}" ;;`,
  )
  return `_pagekeep() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    *) words="${program.commands.map((command) => command.name()).join(' ')} help ${common} --help --version" ;;
  esac
  if [ "$COMP_CWORD" -gt 1 ] && [[ "$current" != -* ]]; then COMPREPLY=($(compgen -f -- "$current")); return; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _pagekeep pagekeep
`
}

function zsh(program: Command): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`
}

function fish(program: Command): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "\\'")}'`
  const flag = ({ short, long, description }: Command['options'][number]) =>
    `${short === undefined ? '' : ` -s ${short.slice(1)}`} -l ${long?.slice(2)} -d ${quoted(description)}`
  const lines = [
    ...program.options.map((option) => `complete -c pagekeep${flag(option)}`),
    ...program.commands.flatMap((command) => [
      `complete -c pagekeep -f -n __fish_use_subcommand -a ${command.name()} -d ${quoted(command.description())}`,
      ...command.options.map(
        (option) => `complete -c pagekeep -n '__fish_seen_subcommand_from ${command.name()}'${flag(option)}`,
      ),
    ]),
  ]
  return `${lines.join('\n')}\n`
}
