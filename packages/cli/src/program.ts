import { Command, Option } from 'commander'
import { addRegistry } from './program-registry.ts'
import type { Terminal } from './terminal.ts'

/** Runs a command's work with a terminal; a number is the exit code, 0 otherwise. */
export type Runner = (json: boolean, work: (terminal: Terminal) => Promise<number | void>) => Promise<void>

/** What a command does, once its arguments are read: with the terminal, its options, its arguments in order. */
type Handler<Options, Args extends unknown[]> = (
  terminal: Terminal,
  options: Options,
  ...args: Args
) => Promise<number | void>

/** How a command is called and described. */
interface Surface {
  /** Its name with its arguments, as commander reads them: `get <service> [key=value...]`. */
  readonly usage: string
  readonly summary: string
  /** What the summary does not say. */
  readonly more?: string
  readonly options?: readonly Option[]
  /** Works on a project and its store; true unless it says otherwise. */
  readonly project?: boolean
  /** Command lines that work when pasted into the folder of the flights example. */
  readonly examples: readonly string[]
}

const EXAMPLES = new WeakMap<Command, readonly string[]>()

/** The examples of a command. */
export function examplesOf(command: Command): readonly string[] {
  return EXAMPLES.get(command) ?? []
}

/**
 * The command line as commander sees it. It loads neither the store nor an engine, so that `--help` is quick: each command
 * brings its own code when it runs.
 */
export function createProgram(run: Runner, version: string): Command {
  const program = new Command('asof')
    .description('A feature store in which a training set holds what serving would have answered.')
    .version(version, '-V, --version', 'print the version')
    .enablePositionalOptions() // `--version` of a table's version is another one than the program's.
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${argumentTerms(command)}`.trim() })

  const add = <Options, Args extends unknown[]>(
    parent: Command,
    surface: Surface,
    load: () => Promise<Handler<Options, Args>>,
  ): void => {
    const { usage, summary, more, options = [], project = true, examples } = surface
    const command = parent.command(usage).summary(summary).helpOption('-h, --help', 'show help')
    command.description(more === undefined ? sentence(summary) : `${sentence(summary)} ${more}`)
    for (const option of options) command.addOption(option)
    if (project) for (const option of projectOptions()) command.addOption(option)
    command.option('--json', 'print one JSON document, errors too')
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}\n`).join('')}`)
    EXAMPLES.set(command, examples)
    command.action(async () => {
      const given = command.opts<Options & { readonly json?: boolean }>()
      await run(given.json === true, async (terminal) => {
        const handler = await load()
        return await handler(terminal, given, ...(command.processedArgs as Args))
      })
    })
  }

  addStart(program, add)
  addDefinitions(program, add)
  addRows(program, add)
  addReading(program, add)
  addServing(program, add)
  addInspection(program, add)
  addRegistry(program, add)
  addCompletion(program, add)
  addLineage(program, add)
  return program
}

/** Adds a command below another. */
export type Add = <Options, Args extends unknown[]>(
  parent: Command,
  surface: Surface,
  load: () => Promise<Handler<Options, Args>>,
) => void

function addStart(program: Command, add: Add): void {
  add(
    program,
    {
      usage: 'init [folder]',
      summary: 'write a small project that runs, with sample data',
      more: 'Into FOLDER, which must not exist or be empty; the working folder by default.',
      project: false,
      examples: ['asof init my-store'],
    },
    async () => (await import('./commands/init.ts')).init,
  )
  add(
    program,
    {
      usage: 'dev',
      summary: 'apply, serve and materialize while the definitions change',
      more: 'Each change of the code is applied; where it is wrong, that is said and what was applied before is served on. What is due is materialized at once, at each run instant, and when its data changes. Listens on this machine only.',
      options: [
        new Option('--port <n>', 'serve on this port; 0 for any that is free').default('8700'),
        new Option('--allow-breaking', 'do breaking changes too'),
      ],
      examples: ['asof dev', 'asof dev --port 8701 --allow-breaking'],
    },
    async () => (await import('./commands/dev.ts')).dev,
  )
}

function addCompletion(program: Command, add: Add): void {
  add(
    program,
    {
      usage: 'complete <shell>',
      summary: 'print the script that completes commands, options and names of the project',
      more: 'SHELL is bash, zsh or fish; evaluate the script when the shell starts. Names are those that are applied. `complete -- WORDS` answers what could come next, one candidate a line.',
      project: false,
      examples: ['asof complete bash > ~/.asof-completion.bash', 'asof complete fish > asof.fish'],
    },
    async () => (await import('./commands/completion.ts')).complete,
  )
}

function addDefinitions(program: Command, add: Add): void {
  const load = async (): Promise<typeof import('./commands/definitions.ts')> =>
    await import('./commands/definitions.ts')
  add(
    program,
    {
      usage: 'plan [definitions]',
      summary: 'show what applying would change',
      more: 'Each change is safe, needs data, is breaking (with who it breaks), or is never done. DEFINITIONS is a file of canonical JSON, as `asof export` prints it, instead of what the project defines.',
      examples: ['asof plan', 'asof plan definitions.json --json'],
    },
    async () => (await load()).plan,
  )
  add(
    program,
    {
      usage: 'apply [definitions]',
      summary: 'make the registry hold the definitions',
      more: 'What is defined no more is removed. DEFINITIONS is a file of canonical JSON; where no project is found its folder becomes one.',
      options: [
        new Option('--allow-breaking', 'do breaking changes too'),
        new Option('--author <name>', 'recorded with the revision; you by default'),
        new Option('--message <text>', 'recorded with the revision'),
      ],
      examples: ['asof apply', 'asof apply definitions.json --message "hourly delays"'],
    },
    async () => (await load()).apply,
  )
  add(
    program,
    {
      usage: 'export',
      summary: "print the project's definitions as canonical JSON",
      more: 'The same definitions give the same text on every machine; `asof apply` accepts it.',
      examples: ['asof export > definitions.json'],
    },
    async () => (await load()).exportProject,
  )
  add(
    program,
    {
      usage: 'types',
      summary: 'declare the services in TypeScript, for clients that do not import the definitions',
      more: 'What it prints is the type argument of the client: `connect<Services>(url)`. It is made of what the project defines, and needs no store.',
      options: [
        new Option('--out <file>', 'write it here instead of printing it'),
        new Option('--applied', 'declare what the registry holds, instead of what the project defines'),
      ],
      examples: ['asof types > asof.d.ts', 'asof types --applied --out src/asof.d.ts'],
    },
    async () => (await import('./commands/declare-types.ts')).declareTypes,
  )
}

function addRows(program: Command, add: Add): void {
  const batches = async (): Promise<typeof import('./commands/materialize.ts')> =>
    await import('./commands/materialize.ts')
  add(
    program,
    {
      usage: 'materialize [groups...]',
      summary: 'compute what is due and bring it into both stores',
      more: 'All groups that have a source where none is named. A run that is recorded is not done again. A group that fails does not stop the others; the exit code is that of the first failure.',
      options: [
        new Option(
          '--from <instant>',
          "where the first materialization begins; the source's first event by default",
        ),
        new Option('--to <instant>', 'do the runs up to this instant; now by default'),
      ],
      examples: ['asof materialize', 'asof materialize airport_delays --to 2001-03-01T00:00:00Z'],
    },
    async () => (await batches()).materialize,
  )
  add(
    program,
    {
      usage: 'restate <group> <from..to>',
      summary: 'do the runs of some intervals again, as known now',
      more: 'FROM..TO are instants; rows that differ become corrections, known from now on.',
      examples: ['asof restate airport_delays 2001-02-01T00:00:00Z..2001-02-02T00:00:00Z'],
    },
    async () => (await batches()).restate,
  )
  add(
    program,
    {
      usage: 'push <group> [file]',
      summary:
        'append rows: one JSON object a line, from a file, or - for stdin; or a file of CSV or Parquet',
      more: 'Each row has its keys, event_timestamp (RFC 3339, or microseconds since 1970) and every feature; or its keys, event_timestamp and "_deleted": true. Rows go in batches of up to 10,000; a batch is appended whole or not at all. A file named *.csv or *.parquet is one batch with these columns; rows of it that do not fit go to the quarantine.',
      options: [
        new Option('--row <json>', 'a row, instead of a file; may be repeated').argParser(collect),
        new Option(
          '--producer <name>',
          'with --from-sequence: names the batches, so that repeating the command appends nothing twice',
        ),
        new Option(
          '--from-sequence <n>',
          'the number of the first batch; each push of a producer goes on above its last',
        ),
      ],
      examples: [
        `asof push airport_delays --row '{"airport": "LAX", "event_timestamp": "2001-07-01T12:00:00Z", "flights": 80, "delay_mean": 4.5, "late_share": 0.1}'`,
        'asof push airport_delays rows.jsonl --producer nightly --from-sequence 1',
        'asof push airport_delays rows.parquet',
      ],
    },
    async () => (await import('./commands/push.ts')).push,
  )
}

function addReading(program: Command, add: Add): void {
  add(
    program,
    {
      usage: 'get <service> [keys...]',
      summary: 'look up the features of one entity',
      more: 'KEYS are key=value, read by the declared type: text as it is, numbers and booleans as in JSON, timestamps as RFC 3339, bytes as base64.',
      options: [
        new Option('--request <name=value>', 'an input of on-demand features; may be repeated').argParser(
          collect,
        ),
        new Option('--at <instant>', 'the decision time, at most an hour back; now by default').conflicts(
          'asOf',
        ),
        new Option('--as-of <instant>', 'any past instant, answered from history'),
        new Option('--expect <fingerprint>', 'refuse a service that is not the one the model was trained on'),
      ],
      examples: [
        'asof get delay_model origin=LAX destination=SFO --request scheduled=2001-06-30T17:00:00Z --request distance=337',
        'asof get delay_model origin=LAX destination=SFO --as-of 2001-03-01T00:00:00Z --json',
      ],
    },
    async () => (await import('./commands/get.ts')).get,
  )
  const training = async (): Promise<typeof import('./commands/train.ts')> =>
    await import('./commands/train.ts')
  add(
    program,
    {
      usage: 'train <service>',
      summary: 'build a training set: for each label what serving would have answered then',
      more: 'Label columns, their order and duplicates are kept. The folder holds the data and manifest.json, which `asof verify` checks.',
      options: [
        new Option(
          '--labels <path>',
          'Parquet, CSV or JSON lines (*.parquet, *.csv, *.jsonl), or the folder of a Delta table',
        ).makeOptionMandatory(),
        new Option('--at <column>', 'the column with the label time').makeOptionMandatory(),
        new Option(
          '--to <folder>',
          'where the training set goes; must not exist, or be empty, unless --overwrite is given',
        ).makeOptionMandatory(),
        new Option('--overwrite', 'replace the training set that is there'),
        new Option('--zone <zone>', 'zone of label times that have none, such as UTC'),
        new Option('--unit <unit>', 'unit of numeric label times').choices(['s', 'ms', 'us', 'ns']),
        new Option('--format <format>', 'form of the data')
          .choices(['parquet', 'csv', 'delta'])
          .default('parquet'),
        new Option(
          '--event-time',
          'join on event time alone, whenever rows became known: not what serving would have answered',
        ),
        new Option('--statuses', 'add a column with the status of each feature'),
        new Option('--wait', 'wait for labels that are later than what is in the tables'),
        new Option('--strict', 'fail when an on-demand feature fails for a label'),
      ],
      examples: ['asof train delay_model --labels labels.parquet --at scheduled --to train/'],
    },
    async () => (await training()).train,
  )
  add(
    program,
    {
      usage: 'verify <folder>',
      summary: 'check a training set against its manifest, and recompute rows of it',
      more: 'Every file is hashed; then rows are computed again by the naive implementation. Exit code 7 says that something differs.',
      options: [
        new Option('--labels <path>', 'the labels that the set was built from; a CSV set needs them'),
        new Option('--sample <n>', 'how many rows to recompute; 1000 by default').conflicts('all'),
        new Option('--all', 'recompute every row'),
      ],
      examples: ['asof verify train/', 'asof verify train/ --all --json'],
    },
    async () => (await training()).verify,
  )
}

function addServing(program: Command, add: Add): void {
  add(
    program,
    {
      usage: 'serve',
      summary: 'answer lookups and take rows over HTTP, until told to stop',
      more: 'Only this machine can ask, unless --token-file names a file of tokens, one a line: TOKEN read|write [name]; a token has 32 characters or more (`openssl rand -hex 32` makes one), and the file is read again when it changes. On Ctrl-C or SIGTERM /readyz says no at once, requests are answered for --drain-ms more, and what is under way ends.',
      options: [
        new Option('--host <address>', 'listen there').default('127.0.0.1'),
        new Option('--port <n>', 'listen on this port; 0 for any that is free').default('8700'),
        new Option('--token-file <path>', 'ask for tokens of this file'),
        new Option('--drain-ms <n>', 'how long a balancer has to notice that the server stops').default(
          '1000',
        ),
        new Option('--log-level <level>', 'how much is logged, as JSON lines on stderr')
          .choices(['debug', 'info', 'warn', 'error', 'silent'])
          .default('warn'),
      ],
      examples: ['asof serve', 'asof serve --host 0.0.0.0 --token-file tokens --log-level info'],
    },
    async () => (await import('./commands/serve.ts')).serve,
  )
}

function addInspection(program: Command, add: Add): void {
  const rows = async (): Promise<typeof import('./commands/quarantine.ts')> =>
    await import('./commands/quarantine.ts')
  const quarantine = program
    .command('quarantine')
    .summary('rows that were refused: list, show, retry, drop')
    .description('Rows that were refused, kept with the reason on each until somebody decides.')
  add(
    quarantine,
    {
      usage: 'list [group]',
      summary: 'list refused rows, without their values',
      options: [new Option('--limit <n>', 'how many').default('50')],
      examples: ['asof quarantine list', 'asof quarantine list airport_delays --json'],
    },
    async () => (await rows()).list,
  )
  add(
    quarantine,
    {
      usage: 'show <id>',
      summary: 'show one refused row with its values',
      examples: ['asof quarantine show 3f2a9c0d41b7e658'],
    },
    async () => (await rows()).show,
  )
  add(
    quarantine,
    {
      usage: 'retry [ids...]',
      summary: 'push refused rows again; those that pass leave the quarantine',
      options: [new Option('--group <group>', 'all rows of a group'), new Option('--all', 'all rows')],
      examples: ['asof quarantine retry 3f2a9c0d41b7e658', 'asof quarantine retry --all'],
    },
    async () => (await rows()).retry,
  )
  add(
    quarantine,
    {
      usage: 'drop [ids...]',
      summary: 'take refused rows out for good',
      options: [
        new Option('--group <group>', 'all rows of a group'),
        new Option('--all', 'all rows'),
        new Option('--yes', 'that it is meant: they are gone then'),
      ],
      examples: ['asof quarantine drop --group airport_delays --yes'],
    },
    async () => (await rows()).drop,
  )
  const table = program
    .command('table')
    .summary('look into any Delta table: show, history, files, cat')
    .description(
      'Looks into any Delta table on this machine, of asof or of another program; it needs no project.',
    )
  const tables = async (): Promise<typeof import('./commands/table.ts')> =>
    await import('./commands/table.ts')
  const looks = [
    ['show', 'show what a table is: version, rows, columns, settings'],
    ['history', 'list its versions, the newest first'],
    ['files', 'list the data files of a version'],
    ['cat', 'print the first rows of a version'],
  ] as const
  for (const [name, summary] of looks) {
    add(
      table,
      {
        usage: `${name} <path>`,
        summary,
        project: false,
        options: [
          new Option('--version <n>', 'look at this version').conflicts('asOf'),
          new Option('--as-of <instant>', 'look at the newest version committed by this instant'),
          ...(name === 'cat' ? [new Option('--limit <n>', 'how many rows').default('20')] : []),
          ...(name === 'history' ? [new Option('--limit <n>', 'how many versions').default('50')] : []),
        ],
        examples: [
          `asof table ${name} .asof/offline/flights/airport_delays/v1`,
          `asof table ${name} .asof/offline/flights/airport_delays/v1 --version 0 --json`,
        ],
      },
      async () => (await tables())[name],
    )
  }
  add(
    program,
    {
      usage: 'status',
      summary: 'show where each group stands',
      examples: ['asof status', 'asof status --json'],
    },
    async () => (await import('./commands/status.ts')).status,
  )
}

function addLineage(program: Command, add: Add): void {
  add(
    program,
    {
      usage: 'lineage <reference>',
      summary: 'show what something is made of, and what is made of it',
      more: 'From source columns over features and services to models; by column where the SQL of a query allows it. REFERENCE is [project.][kind/]name[@version][:part], or model/name@version.',
      options: [
        new Option('--up', 'only what it is made of').conflicts('down'),
        new Option('--down', 'only what is made of it'),
        new Option('--svg <file>', 'draw it instead, as an SVG picture'),
      ],
      examples: [
        'asof lineage airport_delays:delay_mean',
        'asof lineage source/flights:delay --down --json',
        'asof lineage delay_model --svg lineage.svg',
      ],
    },
    async () => (await import('./commands/lineage.ts')).lineage,
  )
}

function projectOptions(): Option[] {
  return [
    new Option(
      '-p, --project <path>',
      'folder with asof.config.ts, or a file of definitions; the working folder or one above by default',
    ),
    new Option('--store <folder>', "the store's folder; .asof in the project's folder by default"),
  ]
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

/** A command with those above it: `asof table show`. */
export function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`
}

/** The arguments of a command as its usage shows them. */
export function argumentTerms(command: Command): string {
  return command.registeredArguments
    .map((argument) => {
      const name = `${argument.name()}${argument.variadic ? '...' : ''}`
      return argument.required ? `<${name}>` : `[${name}]`
    })
    .join(' ')
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}
