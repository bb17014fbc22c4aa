/** Ends a run with one true line, `N passed, N failed, N skipped`, that people and programs can read. */
import type { Reporter, TestModule } from 'vitest/node'

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      let hasTests = false
      for (const test of module.children.allTests()) {
        hasTests = true
        const { state } = test.result()
        if (state === 'passed' || state === 'failed' || state === 'skipped') counts[state]++
      }
      // A file that could not be loaded has no tests to count, and must not look like success.
      if (!hasTests && module.state() === 'failed') counts.failed++
    }
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
  }
}
