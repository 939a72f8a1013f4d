import { STATUSES, type Answer, type Cells, type ServicePlan } from '@asof/core'
import { encodeMessagePack } from '../messagepack/encode.ts'
import { PackWriter } from '../messagepack/pack-writer.ts'
import { cellsOf, deprecatedGroups, FLAGS, serviceName, type AnswerWish } from './answer-parts.ts'
import { packValueWriter, type PackValueWriter } from './wire-value.ts'

/** A plan compiled for writing its answers as MessagePack: all that is the same in each of them is bytes already. */
interface PackPlan {
  /** Properties that every answer begins with, without the head of the map; how many they are. */
  readonly head: Uint8Array
  readonly headCount: number
  readonly features: Uint8Array
  readonly types: Uint8Array
  /** Absent where no group is deprecated. */
  readonly deprecated: Uint8Array | undefined
  readonly names: readonly Uint8Array[]
  readonly values: readonly PackValueWriter[]
}

const plans = new WeakMap<ServicePlan, PackPlan>()
const STATUS_BYTES = STATUSES.map((status) => encodeMessagePack(status))
const FLAG_BYTES = FLAGS.map((flags) => encodeMessagePack(flags))
/** One for all: an answer is copied out of it before the next begins. */
const writer = new PackWriter()

/** An answer as MessagePack. */
export function msgpackAnswer(
  answer: Answer,
  wish: AnswerWish,
  cells: ReturnType<typeof cellsOf> = cellsOf(answer),
): Buffer {
  const plan = packPlan(answer.plan)
  const { include, columns, listed } = wish
  const section = columns ? writeColumns : writeRows
  writer.reset()
  writer.mapHead(plan.headCount + 4 + include.size + (plan.deprecated === undefined ? 0 : 1))
  writer.raw(plan.head)
  writer.text('at')
  writer.int64(BigInt(answer.at))
  writer.text('source')
  writer.text(answer.source)
  writer.text('features')
  writer.raw(listed === undefined ? plan.features : encodeMessagePack(listed))
  writer.text(columns ? 'columns' : 'rows')
  section(plan, cells, writeValue)
  if (include.has('statuses')) {
    writer.text('statuses')
    section(plan, cells, writeStatus)
  }
  if (include.has('event_times')) {
    writer.text('eventTimes')
    section(plan, cells, writeEventTime)
  }
  if (include.has('flags')) {
    writer.text('flags')
    if (columns) writeFlagColumns(plan, cells)
    else writeFlagRows(plan, cells)
  }
  if (include.has('types')) {
    writer.text('types')
    writer.raw(plan.types)
  }
  if (plan.deprecated !== undefined) {
    writer.text('deprecated')
    writer.raw(plan.deprecated)
  }
  return writer.copy()
}

function packPlan(plan: ServicePlan): PackPlan {
  let compiled = plans.get(plan)
  if (compiled === undefined) plans.set(plan, (compiled = compilePack(plan)))
  return compiled
}

function compilePack(plan: ServicePlan): PackPlan {
  const { names, outputs, revision, fingerprint } = plan
  const head = Object.entries({ service: serviceName(plan), revision, fingerprint }).filter(
    ([, value]) => value !== undefined,
  )
  const deprecated = deprecatedGroups(plan)
  return {
    head: Buffer.concat(head.flat().map((each) => encodeMessagePack(each))),
    headCount: head.length,
    features: encodeMessagePack(names),
    types: encodeMessagePack(Object.fromEntries(outputs.map(({ type }, index) => [names[index]!, type]))),
    deprecated: deprecated.length === 0 ? undefined : encodeMessagePack(deprecated),
    names: names.map((name) => encodeMessagePack(name)),
    values: outputs.map(({ type }) => packValueWriter(type)),
  }
}

/** Writes one feature of one entity. */
type CellWriter = (plan: PackPlan, cells: Cells, index: number) => void

function writeValue(plan: PackPlan, { values }: Cells, index: number): void {
  const value = values[index]!
  if (value === null) writer.nil()
  else plan.values[index]!(writer, value)
}

function writeStatus(_: PackPlan, { statuses }: Cells, index: number): void {
  writer.raw(STATUS_BYTES[statuses[index]!]!)
}

function writeEventTime(_: PackPlan, { eventTimes }: Cells, index: number): void {
  const at = eventTimes[index]!
  if (Number.isNaN(at)) writer.nil()
  else writer.int64(BigInt(at))
}

function writeRows(plan: PackPlan, all: readonly Cells[], write: CellWriter): void {
  const { names } = plan
  writer.arrayHead(all.length)
  for (const cells of all) {
    writer.mapHead(names.length)
    for (let index = 0; index < names.length; index++) {
      writer.raw(names[index]!)
      write(plan, cells, index)
    }
  }
}

function writeColumns(plan: PackPlan, all: readonly Cells[], write: CellWriter): void {
  const { names } = plan
  writer.mapHead(names.length)
  for (let index = 0; index < names.length; index++) {
    writer.raw(names[index]!)
    writer.arrayHead(all.length)
    for (const cells of all) write(plan, cells, index)
  }
}

function writeFlagRows({ names }: PackPlan, all: readonly Cells[]): void {
  writer.arrayHead(all.length)
  for (const { flags } of all) {
    writer.mapHead(flags.reduce((count, bits) => count + (bits === 0 ? 0 : 1), 0))
    for (let index = 0; index < names.length; index++) {
      if (flags[index] === 0) continue
      writer.raw(names[index]!)
      writer.raw(FLAG_BYTES[flags[index]!]!)
    }
  }
}

function writeFlagColumns({ names }: PackPlan, all: readonly Cells[]): void {
  const flagged = names
    .map((_, index) => index)
    .filter((index) => all.some(({ flags }) => flags[index] !== 0))
  writer.mapHead(flagged.length)
  for (const index of flagged) {
    writer.raw(names[index]!)
    writer.arrayHead(all.length)
    for (const { flags } of all) {
      if (flags[index] === 0) writer.nil()
      else writer.raw(FLAG_BYTES[flags[index]!]!)
    }
  }
}
