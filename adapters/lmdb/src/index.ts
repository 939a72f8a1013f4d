export * from './lmdb-registry.ts'
export * from './lmdb-online-store.ts'
export * from './lmdb-event-log.ts'
