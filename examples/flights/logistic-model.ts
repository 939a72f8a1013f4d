// A small logistic regression, trained by stochastic gradient descent with a fixed order: the same rows make the same
// model on every machine, so that what differs between two models is what they were shown.

/** Rows as a dense matrix: `values[row * width + column]`, and the label of each row. */
export interface Examples {
  readonly width: number
  readonly rows: number
  readonly values: Float64Array
  readonly labels: Uint8Array
}

/** Weights by column, and the bias last. */
export type Model = Float64Array

const EPOCHS = 6
const RATE = 0.02
const DECAY = 1e-6

/** Trains on examples, which are standardized already. */
export function trainModel({ width, rows, values, labels }: Examples): Model {
  const weights = new Float64Array(width + 1)
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const rate = RATE / (1 + epoch)
    for (let step = 0; step < rows; step++) {
      // A fixed stride that shares no factor with the number of rows visits each once, far from in order of time.
      const row = (step * 7919) % rows
      const error = predict(weights, values, row * width) - labels[row]!
      for (let column = 0; column < width; column++) {
        weights[column]! -= rate * (error * values[row * width + column]! + DECAY * weights[column]!)
      }
      weights[width]! -= rate * error
    }
  }
  return weights
}

/** The scores of examples, in order. */
export function scores(model: Model, { width, rows, values }: Examples): Float64Array {
  const scored = new Float64Array(rows)
  for (let row = 0; row < rows; row++) scored[row] = predict(model, values, row * width)
  return scored
}

/**
 * The chance that a late flight scores above one on time: the area under the ROC curve, ties counted half (the
 * Mann-Whitney statistic).
 */
export function auc(scored: Float64Array, labels: Uint8Array): number {
  const order = Array.from(scored.keys()).sort((a, b) => scored[a]! - scored[b]!)
  let positives = 0
  let rankSum = 0
  for (let from = 0; from < order.length;) {
    let to = from
    while (to < order.length && scored[order[to]!] === scored[order[from]!]) to++
    for (let place = from; place < to; place++) {
      if (labels[order[place]!] === 0) continue
      positives++
      rankSum += (from + to + 1) / 2
    }
    from = to
  }
  const negatives = order.length - positives
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}

function predict(weights: Float64Array, values: Float64Array, offset: number): number {
  const width = weights.length - 1
  let sum = weights[width]!
  for (let column = 0; column < width; column++) sum += weights[column]! * values[offset + column]!
  return 1 / (1 + Math.exp(-sum))
}
