import type { Instant } from '../clock/instant.ts'
import type { Column, ColumnBatch } from '../model/column.ts'
import type { CreatedTime, TimeColumn } from '../model/definition.ts'
import type { FeatureType, Field, KeyType } from '../model/feature-type.ts'
import type { DataFile, StagedFile, TableColumn } from './offline-store.ts'

/**
 * Computes over bounded data: reads relations, replays scheduled queries, joins labels with history, writes results.
 *
 * - Same input, same output, to the bit, on every run: stable input order, one thread per interval.
 * - SQL that a user wrote sees its declared inputs and nothing else: no file, no network, no setting.
 * - Every call takes a signal; a cancelled call leaves nothing behind.
 */
export interface ComputeEngine extends AsyncDisposable {
  /** The columns of a relation with the engine's own names for their types. */
  describe(relation: Relation): Promise<readonly { readonly name: string; readonly physical: string }[]>
  /**
   * Least and greatest event time of a source's valid rows; undefined when it has none or no event time.
   *
   * @throws {AsofError} `unreadable_times` where there are times and none of them can be read
   */
  bounds(source: SourceRelation): Promise<{ readonly first: Instant; readonly last: Instant } | undefined>
  /** Rows of a source in the declared types. A row that does not fit is not in `rows` but in `rejected`. */
  extract(request: ExtractRequest): Promise<Extraction>
  /** Does runs of a scheduled group, in order, as SEMANTICS section 1 says. Nothing is durable until `stage`. */
  replay(request: ReplayRequest): Promise<Replay>
  /** Loads labels and answers what a training set needs. */
  labels(request: LabelsRequest): Promise<LabelSession>
  /**
   * What the columns of a query are made from, by the engine's own parser and without reading a row; undefined where the
   * query is too clever for that (it may read every column of its inputs), or does not fit them.
   *
   * What it answers is safe: changing input columns that it names neither for an output column nor in `rows` never changes
   * that output. It may name more than is read.
   */
  columnsRead(query: string, inputs: QueryInputs): Promise<ColumnsRead | undefined>
}

/** The columns of each input of a query, as `describe` gives them; a group's query also sees `run`, unless it is among them. */
export type QueryInputs = Readonly<
  Record<string, readonly { readonly name: string; readonly physical: string }[]>
>

/** A column of one of a query's inputs. */
export interface InputColumn {
  readonly input: string
  readonly column: string
}

/** What the columns of a query are made from; names as the inputs have them, in order of input and column. */
export interface ColumnsRead {
  /** For each output column what its values are computed from. */
  readonly columns: ReadonlyMap<string, readonly InputColumn[]>
  /** What decides which rows there are, or how they are grouped or ordered: it is behind every output. */
  readonly rows: readonly InputColumn[]
}

/** Bounded rows. Paths are absolute and already checked. */
export type Relation =
  | {
      readonly kind: 'files'
      readonly format: 'parquet' | 'csv' | 'jsonl'
      readonly paths: readonly string[]
      /** Of `jsonl`: columns that every object has, if only as null, but where its `_deleted` is true; else `partial_row`. */
      readonly required?: readonly string[]
    }
  /** Data files of a table snapshot (Delta), with the table's columns. */
  | { readonly kind: 'table'; readonly files: readonly DataFile[]; readonly columns: readonly TableColumn[] }
  /** SQL over other relations, each seen under its name. */
  | { readonly kind: 'query'; readonly sql: string; readonly inputs: Readonly<Record<string, Relation>> }
  | { readonly kind: 'rows'; readonly batch: ColumnBatch }

/** A source as the engine needs it: what it reads, and its two times. */
export interface SourceRelation {
  readonly name: string
  readonly relation: Relation
  /** Absent for a reference table. */
  readonly eventTime?: TimeColumn
  /** `{ knownAt }`: every row became known at one instant, as with a table version read as of its commit. */
  readonly created: Exclude<CreatedTime, 'commit'> | { readonly knownAt: Instant }
}

/** Progress of a long call: `done` of `total` (in `unit`), as often as something moves. */
export type Progress = (state: {
  readonly done: number
  readonly total: number
  readonly unit: string
}) => void

/** Options of every long call. */
export interface LongCall {
  readonly signal?: AbortSignal
  readonly progress?: Progress
}

/** A row that was refused, with the reason and enough to try it again. */
export interface RejectedRow {
  /** One of `null_key`, `null_event_time`, `invalid_event_time`, `invalid_created_time`, `invalid_value`, `after_interval`, `duplicate_in_run`, `unknown_column`, `future`. */
  readonly reason: string
  /** The column at fault, where there is one. */
  readonly column: string | undefined
  /** What is wrong with it, for people; without its values. */
  readonly detail?: string
  /** The row as JSON text, every column. */
  readonly row: string
  /** The run instant, for a scheduled group. */
  readonly run?: Instant
}

/** Asks for the rows of a group without a schedule: keys, two times, features. */
export interface ExtractRequest extends LongCall {
  readonly source: SourceRelation
  readonly columns: GroupColumns
  /** Rows that declare a later created time than this are left for another time. */
  readonly knownBy: Instant
  /** Rows that are in the table already: of each key and event time the newest is compared, and an equal row is left out. */
  readonly existing: readonly DataFile[]
  /** Added to each row's created time, in microseconds. */
  readonly delay: number
  /** A row dated later is rejected as `future`; none is where it is undefined, as the source holds them. */
  readonly eventsUntil: Instant | undefined
  /** Least created time of a row: for history that is found after the first import. */
  readonly createdFloor?: Instant
}

/** Rows ready to be staged. */
export interface Extraction extends AsyncDisposable {
  readonly rows: number
  readonly unchanged: number
  readonly rejected: readonly RejectedRow[]
  /** Number of rejected rows; `rejected` holds the first `LIMITS.quarantineRowsMax`. */
  readonly rejectedCount: number
  /** Greatest event and created time of the rows. */
  readonly newest: { readonly e: Instant; readonly c: Instant } | undefined
  /**
   * Writes the rows to `localPath` as Parquet with the table's columns, `seq` being `firstSequence + n` in order of
   * file and row (replay: of run, key, event time); sorted by key, then `(e, c, s)`.
   */
  stage(localPath: string, firstSequence: number): Promise<StagedFile>
}

/** How a group's rows are made from columns of a source or query. */
export interface GroupColumns {
  readonly keys: readonly { readonly name: string; readonly column: string; readonly type: KeyType }[]
  readonly features: readonly Field[]
  /** The table's columns, in order, as the offline store wants them. */
  readonly table: readonly TableColumn[]
  /** Whether a column that nobody declared is an error. */
  readonly unknownColumns: 'strict' | 'additive'
}

/** Asks for runs of a scheduled group. */
export interface ReplayRequest extends LongCall {
  /** The query over `sources`; undefined for a group over one source as it is. */
  readonly query: string | undefined
  readonly sources: readonly SourceRelation[]
  readonly columns: GroupColumns
  /** The runs to do, in order. */
  readonly runs: readonly Run[]
  /** Interval length and lookback, in microseconds, to count the source rows that come too late for every run. */
  readonly every: number
  readonly delay: number
  readonly lookback: number
  /** What the table holds already, at least all rows from the first run's `from` on. */
  readonly existing: readonly DataFile[]
  /** A restatement: of several runs that make a row of one key and event time only the last one's is appended. */
  readonly onePerKey?: boolean
}

/** One run: reads sources known by `asOf` with event time in `[from, end)`. */
export interface Run {
  /** The run instant, its identity. */
  readonly at: Instant
  readonly from: Instant
  readonly end: Instant
  /** `at`, or for a restatement its own start. */
  readonly asOf: Instant
  /** Created time of its rows; for a live run any, as it is stamped at the append. */
  readonly created: Instant
}

/** The outcome of runs. */
export interface Replay extends Extraction {
  /** Appended rows of each run, in the order of `runs`. */
  readonly perRun: Int32Array
  /** Appended rows that replace an earlier row of their key and event time. */
  readonly corrections: number
  /** Rows not appended because they are dated before the run's `from`. */
  readonly cut: number
  /** Source rows known too late for every run that could have read them. */
  readonly tooLate: number
}

/** Asks for a label session. */
export interface LabelsRequest extends LongCall {
  readonly labels: Relation
  /** Column of the label time. */
  readonly at: TimeColumn
  /** Absolute path of the folder that `write` will write to, where it will. */
  readonly writesTo?: string
  /** How text and JSON columns are read as values, where the relation is a copy of labels that came in another form. */
  readonly form?: LabelSession['form']
}

/**
 * Labels held by the engine, in the order given, numbered from 0.
 *
 * History arrives as typed arrays with the key already turned into a dense id, so that the point-in-time kernel never
 * sees a key.
 */
export interface LabelSession extends AsyncDisposable {
  readonly rows: number
  /** Label times, microseconds. */
  readonly at: Float64Array
  /** `csv`: text holds values of every type; `json`: JSON columns do; `sql`: columns have types of their own. */
  readonly form: 'sql' | 'csv' | 'json'
  /** All columns of the labels, in order. */
  readonly columns: readonly { readonly name: string; readonly physical: string }[]
  /** SHA-256 over the label rows, in order. */
  fingerprint(): Promise<string>
  /** Distinct keys of some label columns; a label row with a null part has id -1. */
  keySet(columns: readonly { readonly column: string; readonly type: KeyType }[]): Promise<KeySet>
  /** Values of label columns, as request inputs of on-demand features. */
  column(column: string, type: FeatureType): Promise<Column>
  /** A column of nulls to be filled, in memory that `write` takes as it is; what stood in it before means nothing. */
  allocate(type: FeatureType, rows: number): Column & { readonly valid: Uint8Array }
  /** Rows of history whose key is in the set, in any order. */
  history(request: HistoryRequest): AsyncIterable<HistoryBatch>
  /** Writes label columns and results side by side, in label order. Chunks come in order and cover all rows. */
  write(request: TrainingOutput): Promise<WrittenOutput>
}

/** Distinct keys of the labels. */
export interface KeySet {
  readonly name: string
  readonly size: number
  /** For each label row the id of its key, or -1. */
  readonly ids: Int32Array
}

/** Which history to read. */
export interface HistoryRequest {
  readonly keySet: KeySet
  /** Table column for each part of the key set, in order. */
  readonly keyColumns: readonly string[]
  readonly files: readonly DataFile[]
  readonly features: readonly TableColumn[]
  /** Only ids in `[fromId, toId)`. */
  readonly fromId: number
  readonly toId: number
  /** Only rows with `e <= eMax`, and `e >= eMin` where it is given. */
  readonly eMax: Instant
  readonly eMin?: Instant
  /** A batch that the caller is done with: its arrays may be filled again. */
  readonly spare?: HistoryBatch
}

/** Rows of history by columns: `(e, c, s)` in microseconds and positions. Arrays may be longer than `rows`. */
export interface HistoryBatch {
  readonly rows: number
  readonly keyIds: Int32Array
  readonly e: Float64Array
  readonly c: Float64Array
  readonly s: Float64Array
  readonly deleted: Uint8Array
  /** In the order of `HistoryRequest.features`. */
  readonly features: readonly Column[]
}

/** What to write, and where. */
export interface TrainingOutput extends LongCall {
  readonly format: 'parquet' | 'csv'
  /** Folder for the files `part-00000.parquet` …; it exists and is empty. */
  readonly folder: string
  readonly columns: readonly { readonly name: string; readonly type: FeatureType }[]
  /** Results of label rows `[from, from + rows)`, chunk by chunk. */
  readonly chunks: AsyncIterable<OutputChunk>
}

/** Results of some label rows. */
export interface OutputChunk {
  readonly rows: number
  /** Each column once, as soon as it is there; one that comes before its turn in `TrainingOutput.columns` is kept until then. */
  readonly columns: AsyncIterable<OutputColumn> | Iterable<OutputColumn>
}

/** One column of results. */
export interface OutputColumn {
  readonly name: string
  readonly column: Column
  /** Nobody looks at its arrays any more: `allocate` may hand them out again once they are written. */
  readonly given?: boolean
}

/** The files of an output, in order. */
export interface WrittenOutput {
  readonly files: readonly {
    readonly localPath: string
    readonly rows: number
    readonly bytes: number
    /** 64 hexadecimal digits, where the hash was taken while the file was written. */
    readonly sha256?: string
  }[]
}
