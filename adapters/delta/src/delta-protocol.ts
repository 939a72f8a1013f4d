import { AsofError } from '@asof/core'
import type { Metadata, Protocol } from './delta-action.ts'
import type { DeltaField } from './delta-schema.ts'

/** What a new table asks of its readers and writers: the least that every engine has. */
export const NEW_TABLE_PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

/** Features of a table that change nothing for those who only read, or only append. */
const READER_FEATURES = new Set(['vacuumProtocolCheck', 'columnMapping'])
const WRITER_FEATURES = new Set([
  'appendOnly',
  'changeDataFeed',
  'checkConstraints',
  'columnMapping',
  'generatedColumns',
  'identityColumns',
  'invariants',
  'vacuumProtocolCheck',
])

/**
 * Checks that asof can read a table.
 *
 * @throws {AsofError} `unsupported_table_feature`, naming the feature
 */
export function checkReadable(protocol: Protocol, metadata: Metadata, table: string): void {
  const { minReaderVersion, readerFeatures = [] } = protocol
  if (minReaderVersion > 3) throw unsupported(table, `reader version ${minReaderVersion}`)
  for (const feature of readerFeatures) if (!READER_FEATURES.has(feature)) throw unsupported(table, feature)
  if (isMapped(metadata)) throw unsupported(table, 'columnMapping')
  if (metadata.format.provider !== 'parquet') throw unsupported(table, `format ${metadata.format.provider}`)
}

/**
 * Checks that asof can append to a table that it can read: a feature that a table merely allows does not stand in the way,
 * one that asks something of those who append does.
 *
 * @throws {AsofError} `unsupported_table_feature`, naming the feature
 */
export function checkWritable(
  protocol: Protocol,
  metadata: Metadata,
  fields: readonly DeltaField[],
  table: string,
): void {
  const { minWriterVersion, writerFeatures = [] } = protocol
  if (minWriterVersion > 7) throw unsupported(table, `writer version ${minWriterVersion}`)
  for (const feature of writerFeatures) if (!WRITER_FEATURES.has(feature)) throw unsupported(table, feature)
  const constraints = Object.keys(metadata.configuration).filter((key) =>
    key.startsWith('delta.constraints.'),
  )
  if (constraints.length > 0) throw unsupported(table, 'checkConstraints')
  for (const { metadata } of fields) {
    const keys = Object.keys(metadata ?? {})
    if (keys.includes('delta.invariants')) throw unsupported(table, 'invariants')
    if (keys.includes('delta.generationExpression')) throw unsupported(table, 'generatedColumns')
    if (keys.some((key) => key.startsWith('delta.identity.'))) throw unsupported(table, 'identityColumns')
  }
}

/** The error for a feature that asof does not have. */
export function unsupported(table: string, feature: string): AsofError {
  return new AsofError(
    'invalid',
    'unsupported_table_feature',
    'asof does not have a feature that this Delta table needs; turn it off there, or copy the table',
    { table, feature },
  )
}

function isMapped(metadata: Metadata): boolean {
  return (metadata.configuration['delta.columnMapping.mode'] ?? 'none') !== 'none'
}
