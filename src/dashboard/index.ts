/** `pagekeep/dashboard`: one page that says whether the cache is right, to mount in an app. */
export type { AccessOptions, Authorize } from './access.js'
export { createDashboard, type Dashboard, type DashboardOptions, type DoctorFinding } from './create-dashboard.js'
export type { History, NodeReport, Outside, ToldEviction } from './dashboard-state.js'
