import { FlatWriter } from '@asof/parquet'
import type { FlatArray, FlatFilePlan, TextColumn, WrittenFlatFile } from '@asof/parquet'

/** What a thread is told, in this order: the files of a chunk, its columns, its end. */
export type FilesQuestion =
  | { readonly is: 'begin'; readonly files: readonly FlatFilePlan[] }
  | {
      readonly is: 'column'
      readonly values: FlatArray | TextColumn
      readonly valid: Uint8Array | undefined
    }
  | { readonly is: 'end' }

/** What it answers. */
export type FilesAnswer =
  | { readonly is: 'done'; readonly files: readonly WrittenFlatFile[] }
  | {
      readonly is: 'failed'
      readonly message: string
      readonly code: string | undefined
      readonly error: unknown
    }

/** Writes chunks of columns into files that hold the rows one after the other. */
export function flatFilesAnswers(): (question: FilesQuestion) => Promise<FilesAnswer> {
  const open: { readonly writer: FlatWriter; readonly rows: number }[] = []
  const write = async (question: FilesQuestion): Promise<WrittenFlatFile[]> => {
    switch (question.is) {
      case 'begin':
        for (const plan of question.files) open.push({ writer: new FlatWriter(plan), rows: plan.rows })
        return []
      case 'column': {
        let from = 0
        for (const { writer, rows } of open) {
          const to = from + rows
          writer.column(rowsOf(question.values, from, to), question.valid?.subarray(from, to))
          from = to
        }
        return []
      }
      case 'end': {
        const written = open.map(async ({ writer }) => await writer.finish())
        // None may still be ending when the failure of one is told.
        await Promise.allSettled(written)
        const files = await Promise.all(written)
        open.splice(0)
        return files
      }
    }
  }
  return async (question) => {
    try {
      return { is: 'done', files: await write(question) }
    } catch (error) {
      for (const { writer } of open.splice(0)) writer.abandon()
      const { message, code } = error as NodeJS.ErrnoException
      return { is: 'failed', message, code, error }
    }
  }
}

function rowsOf(values: FlatArray | TextColumn, from: number, to: number): FlatArray | TextColumn {
  return 'ids' in values ? { ...values, ids: values.ids.subarray(from, to) } : values.subarray(from, to)
}
