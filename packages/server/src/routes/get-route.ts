import type { RouteModule } from '../context.ts'

/** `POST /v1/get`: features of one entity or of many. */
export const getRoute: RouteModule = () => undefined
