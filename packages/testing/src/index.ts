export * from './property-runs.ts'
export * from './naive/naive-value.ts'
export * from './conformance/object-store.ts'
