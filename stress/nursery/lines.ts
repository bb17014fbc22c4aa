/** Whole lines out of pieces of text. */
export class Lines {
  #rest = ''

  /** The lines that `text` completes, without their ends. */
  add(text: string): string[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines
  }
}
