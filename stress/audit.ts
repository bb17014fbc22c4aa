/** The auditor's process. */
import { type AuditorPlan, runAuditor } from './auditor.js'

runAuditor(JSON.parse(process.argv[2] ?? '{}') as AuditorPlan)
