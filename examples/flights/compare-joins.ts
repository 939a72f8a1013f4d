// Trains one small model three ways and compares what each training set promises with what the model gets live.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { FeatureStore, Progress } from 'asof'
import { delayModel } from './definitions.ts'
import { readMatrix, type DemoFile } from './flight-data.ts'
import { auc, scores, trainModel, type Examples } from './logistic-model.ts'

/** One way of joining, and how well its model does. */
export interface JoinResult {
  readonly name: string
  readonly promised: number
  readonly live: number
}

type WithProgress = <T>(label: string, work: (progress: Progress) => Promise<T>) => Promise<T>

/** The last six weeks are held out. */
const HELD_OUT_FROM = "TIMESTAMPTZ '2001-05-20 00:00:00+00'"

/** Builds the two leaky sets beside the right one, trains and compares. */
export async function compareJoins(
  store: FeatureStore,
  folder: string,
  storeFolder: string,
  labels: DemoFile,
  asKnown: string,
  withProgress: WithProgress,
): Promise<JoinResult[]> {
  const set = async (name: string, at: string, knowledge: 'as-known' | 'event-time'): Promise<string> => {
    const to = join(folder, storeFolder, 'train', name)
    if (!existsSync(to)) {
      await withProgress(name, (progress) =>
        store.train(delayModel, { labels: labels.path, at, to, knowledge, progress }),
      )
    }
    return to
  }
  const sets = [
    { name: 'without regard to time', folder: await set('any-time', 'at_the_end', 'as-known') },
    { name: 'on event time alone', folder: await set('event-time', 'scheduled', 'event-time') },
    { name: 'as known at the moment (asof)', folder: asKnown },
  ]
  const live = await examples(asKnown, 'held out')
  const results: JoinResult[] = []
  for (const { name, folder: from } of sets) {
    const compared = await withProgress(`model ${name}`, async () => {
      const model = trainModel(await examples(from, 'training'))
      const promised = await examples(from, 'held out')
      return {
        promised: auc(scores(model, promised), promised.labels),
        live: auc(scores(model, live), live.labels),
      }
    })
    results.push({ name, ...compared })
  }
  return results
}

/** The rows of a training set as numbers of about one in size; a missing value is an average one. */
async function examples(folder: string, part: 'training' | 'held out'): Promise<Examples> {
  const share = (name: string): string => `coalesce(${name}, 0.2) * 4 - 0.8`
  const minutes = (name: string): string => `coalesce(greatest(least(${name}, 120), -30), 8) / 30`
  const amount = (name: string): string => `ln(1 + coalesce(${name}, 0)) / 3`
  const columns = [
    ...['origin', 'destination', 'route'].flatMap((role) => [
      share(`${role}_late_share`),
      minutes(`${role}_delay_mean`),
      amount(`${role}_flights`),
    ]),
    ...oneHot(
      'hour_of_day',
      Array.from({ length: 24 }, (_, hour) => String(hour)),
    ),
    ...oneHot(
      'weekday',
      Array.from({ length: 7 }, (_, day) => String(day)),
    ),
    ...oneHot('distance_band', ["'short'", "'medium'", "'long'"]),
  ]
  const where = part === 'training' ? `scheduled < ${HELD_OUT_FROM}` : `scheduled >= ${HELD_OUT_FROM}`
  const { width, values } = await readMatrix(
    `SELECT ${['late', ...columns].map((column) => `(${column})::DOUBLE`).join(', ')}
     FROM read_parquet('${join(folder, '*.parquet')}') WHERE ${where}`,
  )
  const rows = values.length / width
  const features = new Float64Array(rows * (width - 1))
  const late = new Uint8Array(rows)
  for (let row = 0; row < rows; row++) {
    late[row] = values[row * width]!
    features.set(values.subarray(row * width + 1, (row + 1) * width), row * (width - 1))
  }
  return { width: width - 1, rows, values: features, labels: late }
}

function oneHot(column: string, values: readonly string[]): string[] {
  return values.map((value) => `coalesce(${column} = ${value}, false)`)
}
