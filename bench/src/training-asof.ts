// Our side of the training benchmark, as a process: FOLDER OUT [KNOWLEDGE]. Opening the store is in the time.
import { openFeatureStore } from 'asof'
import { answerAsSide } from './side-process.ts'
import { risk, THREADS, trainingProject } from './training-data.ts'

const [folder, out, knowledge] = process.argv.slice(2) as [string, string, ('as-known' | 'event-time')?]
await answerAsSide(async () => {
  const options = { project: trainingProject, projectFolder: folder, threads: THREADS }
  await using store = await openFeatureStore(options)
  await store.train(risk, { labels: 'labels.parquet', at: 'at', to: out, knowledge: knowledge ?? 'as-known' })
})
