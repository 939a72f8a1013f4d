import type { EmbeddedOptions } from './embedded.ts'

/** What `asof.config.ts` exports by default: the project, and where and how its store runs. */
export type ProjectConfig = Omit<EmbeddedOptions, 'projectFolder' | 'telemetry' | 'wall'>

/**
 * Declares a project's configuration, with its type checked; the folder of the file is the project's.
 *
 * @example
 * ```ts
 * // asof.config.ts
 * import { defineConfig, project } from 'asof'
 * import { delayModel } from './features.ts'
 *
 * export default defineConfig({ project: project('flights', [delayModel]) })
 * ```
 */
export function defineConfig(config: ProjectConfig): ProjectConfig {
  return config
}
