export * from './disk-object-store.ts'
export * from './training-files.ts'
