/** Names of a project's configuration, the first that is there wins. */
export const CONFIG_FILES = ['asof.config.ts', 'asof.config.js', 'asof.config.mjs'] as const
