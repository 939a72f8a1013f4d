import { invalid, type Impact, type Told } from '@asof/core'
import { countOf } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { factLines, shortName } from '../registry-text.ts'
import { plainText } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { shownPlan } from './definitions.ts'

/** `asof impact REF`: what changes with something, and whom to tell; or what the definitions as they are now would break. */
export async function impact(
  terminal: Terminal,
  options: ProjectOptions & { readonly plan?: boolean },
  reference: string | undefined,
): Promise<void> {
  if ((reference === undefined) === (options.plan !== true)) {
    throw invalid('invalid_argument', 'name what may change, or give --plan: one of them')
  }
  await using store = await openProject(await findProject(options))
  const { colours } = terminal
  if (reference !== undefined) {
    const found = await store.impact(reference)
    terminal.answer(found, () => shownImpact(reference, found, colours))
    return
  }
  const { plan, ...planned } = await store.impactOfPlan()
  terminal.answer({ project: plan.project, base: plan.base, ...planned }, () =>
    planned.changes.length === 0
      ? 'nothing breaks: `asof plan` shows what changes'
      : `${shownPlan({ ...plan, changes: planned.changes, warnings: [] }, colours)}\n\n${tellLines(planned.tell, colours)}`,
  )
}

function shownImpact(reference: string, found: Impact, colours: Colours): string {
  const { sources, features, onDemand, services, models, tell } = found
  if (features.length + onDemand.length + services.length + models.length === 0) {
    return `nothing rests on ${reference}`
  }
  const names = (ids: readonly string[]): readonly string[] => ids.map(shortName)
  return [
    factLines(
      [
        ['sources', names(sources)],
        ['features', names(features)],
        ['on demand', names(onDemand)],
        [
          'services',
          services.map(
            ({ service, features: changed }) => `${service} (${countOf(changed.length, 'feature')})`,
          ),
        ],
        [
          'models',
          models.map(
            ({ model, version, team, services: read }) =>
              `${model}@${version} (${team}), by ${read.join(', ')}`,
          ),
        ],
      ],
      colours,
    ),
    ...(tell.length === 0 ? [] : [tellLines(tell, colours)]),
  ].join('\n\n')
}

function tellLines(tell: readonly Told[], colours: Colours): string {
  const lines = tell.map(
    ({ who, about }) => `  ${colours.bold(plainText(who))}: ${plainText(about.join(', '))}`,
  )
  return ['tell', ...lines].join('\n')
}
