import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Instant } from '@asof/core'
import { diskObjectStore } from '@asof/disk'
import { duckdbParquetFiles } from '@asof/duckdb'
import { offlineStoreConformance } from '@asof/testing'
import { deltaTables } from './delta-tables.ts'

/** Where the tables stay, for independent readers to look at (`npm run delta:readers`). */
const kept = process.env['ASOF_DELTA_TABLES']

offlineStoreConformance('delta on disk', async () => {
  const folder = await mkdtemp(join(kept ?? tmpdir(), 'asof-delta-'))
  const clock = { now: 0 as Instant }
  const parquet = duckdbParquetFiles({ folders: [folder], tempFolder: join(folder, 'duckdb') })
  await mkdir(join(folder, 'local'))
  return {
    open: (wrap = (objects) => objects) =>
      deltaTables({
        objects: wrap(diskObjectStore(join(folder, 'store'))),
        parquet,
        now: () => clock.now,
        randomId: randomUUID,
      }),
    parquet,
    folder: join(folder, 'local'),
    clock,
    dispose: () => rm(kept === undefined ? folder : join(folder, 'local'), { recursive: true }),
  }
})
