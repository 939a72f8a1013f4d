export * from '@asof/core'
export * from './define-config.ts'
export * from './embedded.ts'
