import { Option, type Command } from 'commander'
import type { Add } from './program.ts'

/** The commands that ask and change the registry, apart from applying. */
export function addRegistry(program: Command, add: Add): void {
  add(
    program,
    {
      usage: 'search <words...>',
      summary: 'find features, groups, services, sources and entities of every project',
      more: 'All words must be found: in names first, then in groups, owners, tags and descriptions; typing mistakes are forgiven where too little is found. tag:, owner:, entity:, type:, status:, project: and kind: narrow the search.',
      options: [new Option('--limit <n>', 'how many').default('20')],
      examples: [
        'asof search delay',
        'asof search late share owner:ops-ml --json',
        'asof search status:deprecated kind:group',
      ],
    },
    async () => (await import('./commands/search.ts')).search,
  )
  add(
    program,
    {
      usage: 'show <reference>',
      summary: 'show everything known about a feature, group, service, source, entity or model',
      more: REFERENCE,
      examples: [
        'asof show airport_delays:delay_mean',
        'asof show delay_model',
        'asof show model/flight_delay@1 --json',
      ],
    },
    async () => (await import('./commands/show.ts')).show,
  )
  add(
    program,
    {
      usage: 'impact [reference]',
      summary: 'show what breaks with a change, and whom to tell',
      more: REFERENCE,
      options: [new Option('--plan', 'of what the definitions as they are now would break')],
      examples: [
        'asof impact source/flights:delay',
        'asof impact airport_delays --json',
        'asof impact --plan',
      ],
    },
    async () => (await import('./commands/impact.ts')).impact,
  )
  addRevisions(program, add)
  addConsumers(program, add)
}

const REFERENCE =
  'A REFERENCE is group:feature, group@2:feature, a name, kind/name where one name has several kinds, model/name@version; with project. before it where it is of another project.'

function addRevisions(program: Command, add: Add): void {
  const load = async (): Promise<typeof import('./commands/revisions.ts')> =>
    await import('./commands/revisions.ts')
  const revisions = program
    .command('revisions')
    .summary("the project's history: list, diff, restore")
    .description(
      'What changed the definitions of the project: who, when, why. Nothing that was applied is ever lost.',
    )
  add(
    revisions,
    {
      usage: 'list',
      summary: 'list what changed the project, the newest first',
      options: [
        new Option('--limit <n>', 'how many').default('20'),
        new Option('--before <revision>', 'only those before this one'),
      ],
      examples: ['asof revisions list', 'asof revisions list --limit 5 --json'],
    },
    async () => (await load()).list,
  )
  add(
    revisions,
    {
      usage: 'diff <from> [to]',
      summary: 'show what differs between two revisions; to the newest by default',
      examples: ['asof revisions diff 1', 'asof revisions diff 1 2 --json'],
    },
    async () => (await load()).diff,
  )
  add(
    revisions,
    {
      usage: 'restore <revision>',
      summary: 'make the definitions what they were, in a new revision',
      more: 'It is planned like any apply: what breaks somebody is refused unless allowed. Registered consumers stay as they are.',
      options: [
        new Option('--allow-breaking', 'do breaking changes too'),
        new Option('--author <name>', 'recorded with the revision; you by default'),
        new Option('--message <text>', 'recorded with the revision'),
      ],
      examples: [
        'asof revisions restore 1',
        'asof revisions restore 1 --allow-breaking --message "the old delays"',
      ],
    },
    async () => (await load()).restore,
  )
}

function addConsumers(program: Command, add: Add): void {
  const load = async (): Promise<typeof import('./commands/consumers.ts')> =>
    await import('./commands/consumers.ts')
  const consumers = program
    .command('consumers')
    .summary('models that read services: list, add, remove')
    .description(
      'Models that read services, declared by the service or registered by their own side: a plan names those whom it breaks.',
    )
  const signed = (): Option[] => [
    new Option('--author <name>', 'recorded with the revision; you by default'),
    new Option('--message <text>', 'recorded with the revision'),
  ]
  add(
    consumers,
    {
      usage: 'list [service]',
      summary: 'list the models that read services',
      examples: ['asof consumers list', 'asof consumers list delay_model --json'],
    },
    async () => (await load()).list,
  )
  add(
    consumers,
    {
      usage: 'add <service> <model>',
      summary: 'register a model, with its version, as a reader of a service',
      more: 'MODEL is name@version. Applying definitions leaves it there.',
      options: [
        new Option('--team <team>', 'whom to tell when the service changes').makeOptionMandatory(),
        ...signed(),
      ],
      examples: ['asof consumers add delay_model flight_delay@2 --team ops-ml'],
    },
    async () => (await load()).add,
  )
  add(
    consumers,
    {
      usage: 'remove <service> <model>',
      summary: 'take a registered model off the list',
      options: signed(),
      examples: ['asof consumers remove delay_model flight_delay@2'],
    },
    async () => (await load()).remove,
  )
}
