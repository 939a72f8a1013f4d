import { invalid } from '@asof/core'
import type { ObjectStore } from '@asof/core'

/**
 * The local path of an object, which Parquet files are read and written by.
 *
 * @throws {AsofError} `no_local_files` for a store without local paths
 */
export function localPathOf(objects: ObjectStore, path: string): string {
  const local = objects.localPath(path)
  if (local === undefined) {
    throw invalid('no_local_files', 'tables need an object store with local files, such as a disk', { path })
  }
  return local
}
