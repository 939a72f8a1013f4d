// What is computed when asked lives in a file of its own: this code is part of the features' version, so that a change of it is a
// change of what a model was trained on.

/** The module, for the definition. */
export const module = import.meta.url

/** A payment beside what is usual for the customer. `at` is the instant that is asked about, in microseconds. */
export function paymentInContext(
  { amount, usual }: { readonly amount: number | null; readonly usual: number | null },
  at: number,
) {
  return {
    amount_ratio: amount === null || usual === null ? null : amount / usual,
    hour: Math.floor(at / 3_600_000_000) % 24,
  }
}
