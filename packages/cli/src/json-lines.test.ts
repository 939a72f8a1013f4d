import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JSON_LINES_LIMITS, jsonLines, type JsonLinesBatch } from './json-lines.ts'

async function read(text: string | Uint8Array, cut = 7, limits = {}): Promise<JsonLinesBatch[]> {
  const body = typeof text === 'string' ? Buffer.from(text) : text
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let from = 0; from < body.length; from += cut) yield body.subarray(from, from + cut)
  }
  const batches: JsonLinesBatch[] = []
  for await (const batch of jsonLines(chunks(), { ...JSON_LINES_LIMITS, ...limits })) batches.push(batch)
  return batches
}

test('rows are the same however the bytes arrive', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), {
        maxLength: 8,
      }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 4 }),
      async (rows, cut, batchRowsMax) => {
        const text = rows.map((row) => JSON.stringify(row)).join('\n')
        const batches = await read(text, cut, { batchRowsMax })
        assert.deepEqual(
          batches.flatMap((batch) => batch.rows).map((row) => JSON.stringify(row)),
          rows.map((row) => JSON.stringify(row)),
        )
        assert.ok(batches.every((batch) => batch.rows.length <= batchRowsMax && batch.rows.length > 0))
      },
    ),
    { numRuns: 100 },
  )
})

test('empty lines are passed over and counted', async () => {
  assert.deepEqual(await read('{"a":1}\r\n\n  \n{"a":2}'), [{ rows: [{ a: 1 }, { a: 2 }], lines: [1, 4] }])
  assert.deepEqual(await read('\n'), [])
})

test('a batch ends at its bytes', async () => {
  const batches = await read('{"a":1}\n{"a":2}\n{"a":3}\n', 100, { batchBytesMax: 15 })
  assert.deepEqual(
    batches.map((batch) => batch.lines),
    [[1, 2], [3]],
  )
})

test('names the line at fault', async () => {
  await assert.rejects(read('{"a":1}\n{"a":'), { code: 'invalid_json_line', message: /line=`2`/ })
  await assert.rejects(read('{"a":1}\n[1]'), { message: /one JSON object.*line=`2`/ })
  await assert.rejects(read('\uFEFF{"a":1}'), { message: /byte order mark.*line=`1`/ })
  await assert.rejects(read('{"a":1,"a":1}'), { message: /twice.*line=`1`/ })
  await assert.rejects(read(Uint8Array.of(0x7b, 0xff, 0x7d)), { message: /not UTF-8.*line=`1`/ })
  await assert.rejects(read(`{}\n${' '.repeat(50)}`, 7, { lineBytesMax: 40 }), {
    code: 'line_too_long',
    message: /line=`2` lineBytesMax=`40`/,
  })
})
