export * from './disk-object-store.ts'
export * from './disk-staging.ts'
export * from './training-files.ts'
