// The features of this project: what is known about the customers of a shop when a payment is judged.
import {
  bool,
  csv,
  entity,
  featureGroup,
  featureService,
  float64,
  int32,
  int64,
  onDemand,
  project,
  request,
  string,
} from 'asof'
import { module, paymentInContext } from './payment-in-context.ts'

export const customer = entity('customer', { keys: { customer: string() }, owner: 'payments' })

/** Payments as they were made. A history says when each row could first be known: here five minutes after its event. */
export const payments = csv('payments', {
  path: 'data/payments.csv',
  eventTime: 'paid_at',
  created: { delay: '5m' },
})

/** What customers say about themselves, each time they change it. */
export const profiles = csv('profiles', {
  path: 'data/profiles.csv',
  eventTime: 'changed_at',
  created: { delay: '0s' },
})

/** Computed every hour, over the 24 hours before it, by a query that sees no more than what was known by then. */
export const activity = featureGroup('customer_activity', {
  description: 'payments of a customer in the 24 hours up to the event time',
  entity: customer,
  owner: 'payments',
  sources: [payments],
  every: '1h',
  lookback: '23h',
  query: `SELECT customer, count(*) AS payments, avg(amount::DOUBLE) AS amount_mean, max(amount::DOUBLE) AS amount_max
          FROM payments GROUP BY customer`,
  features: {
    payments: int64({ as: 'number', default: 0 }),
    amount_mean: float64(),
    amount_max: float64(),
  },
})

/** The newest row of each customer, from a file and from what is pushed with `asof push`. */
export const profile = featureGroup('customer_profile', {
  description: 'what a customer says about themselves',
  entity: customer,
  owner: 'payments',
  source: profiles,
  features: { country: string({ default: 'unknown' }), verified: bool({ default: false }) },
})

/** What the one who asks knows about the payment. */
export const payment = request('payment', { fields: { amount: float64() } })

/** Computed when asked, by the same code in serving and in training. */
export const inContext = onDemand('payment_in_context', {
  module,
  owner: 'payments',
  inputs: { amount: payment.field('amount'), usual: activity.feature('amount_mean') },
  features: { amount_ratio: float64(), hour: int32({ description: 'hour of the day, UTC' }) },
  compute: paymentInContext,
})

/** What the model reads. */
export const fraudModel = featureService('fraud_model', {
  description: 'is this payment a fraud?',
  owner: 'payments',
  features: [activity, profile, inContext],
  consumers: [{ model: 'fraud', version: '1', team: 'payments' }],
})

export default project('shop', [fraudModel])
