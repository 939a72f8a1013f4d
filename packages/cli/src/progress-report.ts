import type { Progress } from '@asof/core'
import { SingleBar } from 'cli-progress'
import { formatCount } from './figures.ts'
import type { TextStream } from './terminal.ts'

/** Progress of one piece of work, as shown to people. */
export interface ProgressReport {
  readonly update: Progress
  /** Takes the bar away. */
  stop(): void
}

/** A bar moves so often; work that is over sooner shows none. */
const BAR_EVERY_MS = 250
/** Where nobody watches a bar, a line is printed at most so often. */
const LINE_EVERY_MS = 3_000

/**
 * Shows how far some work is: a bar on a terminal; elsewhere (a log file, CI) a plain line every few seconds.
 *
 * @param stream stderr, so that it never mixes with an answer
 */
export function startProgress(
  stream: TextStream,
  label: string,
  everyMs: number = stream.isTTY === true ? BAR_EVERY_MS : LINE_EVERY_MS,
): ProgressReport {
  return stream.isTTY === true ? barReport(stream, label, everyMs) : lineReport(stream, label, everyMs)
}

type State = Parameters<Progress>[0]

function lineReport(stream: TextStream, label: string, everyMs: number): ProgressReport {
  let state: State | undefined
  // A timer, so that work which reports nothing for long is seen to go on.
  const timer = setInterval(() => {
    stream.write(`${label}${state === undefined ? ' …' : `: ${shown(state)}`}\n`)
  }, everyMs)
  timer.unref()
  return {
    update(next) {
      state = next
    },
    stop() {
      clearInterval(timer)
    },
  }
}

function barReport(stream: TextStream, label: string, everyMs: number): ProgressReport {
  let state: State | undefined
  let bar: SingleBar | undefined
  let last = 0
  const timer = setInterval(() => {
    if (state === undefined || state.total <= 0) {
      // How much there is nobody knows, so there is no bar.
      stream.write(`${CLEAR_LINE}${label}${state === undefined ? ' …' : `: ${shown(state)}`}`)
      return
    }
    const shownState = { shown: shown(state) }
    if (bar === undefined) {
      stream.write(CLEAR_LINE)
      bar = new SingleBar({
        stream: stream as NodeJS.WritableStream,
        format: `${label} {bar} {shown}, {eta_formatted} left`,
        barCompleteChar: '━',
        barIncompleteChar: '─',
        barsize: 30,
        hideCursor: true,
        clearOnComplete: true,
        noTTYOutput: false,
        linewrap: false,
        gracefulExit: false,
      })
      bar.start(state.total, state.done, shownState)
    } else if (state.done < last) {
      // The next piece of the work: the time left of the one before says nothing about it.
      bar.start(state.total, state.done, shownState)
    } else {
      bar.setTotal(state.total)
      bar.update(state.done, shownState)
    }
    last = state.done
  }, everyMs)
  timer.unref()
  return {
    update(next) {
      state = next
    },
    stop() {
      clearInterval(timer)
      if (bar !== undefined) bar.stop()
      else stream.write(CLEAR_LINE)
    },
  }
}

const CLEAR_LINE = '\r\u001b[K'

/** `1,200 of 3,000 runs`, `1,200 rows` where the total is unknown (0), or `42%`. */
function shown({ done, total, unit }: State): string {
  if (unit === '%') return `${Math.floor(done)}%`
  return total > 0 ? `${formatCount(done)} of ${formatCount(total)} ${unit}` : `${formatCount(done)} ${unit}`
}
