import { AGENT_ROUTES } from './admin/agent-routes.ts'
import { APPROVAL_ROUTES } from './admin/approval-routes.ts'
import { AUTHZ_ROUTES } from './authz/routes.ts'
import { AUTHORITY_ROUTES } from './admin/authority-routes.ts'
import { INVENTORY_ROUTES } from './admin/inventory-routes.ts'
import { PEOPLE_ROUTES } from './admin/people-routes.ts'
import { ENROLLMENT_ROUTES } from './enrollment/routes.ts'
import { FEED_ROUTES } from './feed/routes.ts'
import { FEDERATION_ROUTES } from './federation/routes.ts'
import { HEALTH_ROUTES } from './health/routes.ts'
import { OAUTH_ROUTES } from './oauth/routes.ts'
import { openapiRoute } from './openapi.ts'
import type { Route, Surface } from './route.ts'
import { REVOCATION_ROUTES } from './admin/revocation-routes.ts'
import { SSF_ROUTES } from './ssf/routes.ts'
import { STATUS_LIST_ROUTE } from './status/list-route.ts'
import { OCSP_ROUTES } from './status/ocsp-routes.ts'
import { STATUS_ROUTES } from './status/routes.ts'
import { TASK_ROUTES } from './tasks/routes.ts'

const DESCRIBED: readonly Route[] = [
  ...ENROLLMENT_ROUTES,
  ...OAUTH_ROUTES,
  ...AUTHZ_ROUTES,
  ...TASK_ROUTES,
  ...FEDERATION_ROUTES,
  ...FEED_ROUTES,
  ...AGENT_ROUTES,
  ...PEOPLE_ROUTES,
  ...INVENTORY_ROUTES,
  ...AUTHORITY_ROUTES,
  ...REVOCATION_ROUTES,
  ...APPROVAL_ROUTES,
  ...STATUS_ROUTES,
  STATUS_LIST_ROUTE,
  ...SSF_ROUTES,
  ...OCSP_ROUTES,
  ...HEALTH_ROUTES,
]

/** Every route of the server, and last the one that describes them all. */
export const ROUTES: readonly Route[] = [...DESCRIBED, openapiRoute(DESCRIBED)]

export function routesOn(surface: Surface): readonly Route[] {
  return ROUTES.filter((route) => route.surface === surface)
}
