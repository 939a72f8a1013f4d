// The features of flights: who is asked (airports, routes), what is known about them and when, and what a model reads.
import {
  alias,
  entity,
  featureGroup,
  featureService,
  float64,
  int32,
  int64,
  onDemand,
  parquet,
  project,
  request,
  sql,
  string,
  timestamp,
} from 'asof'

const MINUTE = 60_000_000n
const HOUR = 60n * MINUTE
const DAY = 24n * HOUR

export const airport = entity('airport', { keys: { airport: string() }, owner: 'ops-ml' })
export const route = entity('route', { keys: { origin: string(), destination: string() }, owner: 'ops-ml' })

const scheduled = { column: 'date', zone: 'UTC' } as const

/** Flights as the file has them: local times without a zone, taken as UTC. */
export const flightsFile = parquet('flights_file', {
  description: 'three million US flights, January to June 2001',
  path: 'data/flights.parquet',
  eventTime: scheduled,
  created: { delay: '1d' },
})

/** A flight's outcome is known when it has landed, not when it was scheduled. */
export const flights = sql('flights', {
  description: 'flights with the time at which their delay became known',
  query: `SELECT date, delay::INTEGER AS delay, distance::INTEGER AS distance, origin, destination,
                 date + to_minutes(greatest(delay, 0)::BIGINT + 30 + (distance / 8)::BIGINT) AS landed
          FROM flights_file`,
  sources: [flightsFile],
  eventTime: scheduled,
  created: { column: 'landed', zone: 'UTC' },
})

/** Delays at an airport over three hours, every hour, corrected as late flights land. */
export const airportDelays = featureGroup('airport_delays', {
  description:
    'departures of an airport scheduled in the three hours up to the event time, as far as they have landed',
  entity: airport,
  owner: 'ops-ml',
  tags: ['delay', 'hourly'],
  sources: [flights],
  every: '1h',
  lookback: '12h',
  query: `WITH hourly AS (
            SELECT origin AS airport, time_bucket(INTERVAL 1 HOUR, date) AS hour,
                   count(*) AS flights, sum(delay) AS delay, count(*) FILTER (delay > 15) AS late
            FROM flights GROUP BY ALL
          ), ends AS (
            SELECT airport, hour + to_hours(ahead) AS ending, flights, delay, late
            FROM hourly, (SELECT unnest([1, 2, 3]) AS ahead)
          )
          SELECT airport, ending AT TIME ZONE 'UTC' AS event_timestamp, sum(flights)::BIGINT AS flights,
                 sum(delay) / sum(flights) AS delay_mean, sum(late) / sum(flights) AS late_share
          FROM ends, run
          WHERE ending AT TIME ZONE 'UTC' BETWEEN run.lookback_start + INTERVAL 3 HOUR AND run.end
          GROUP BY ALL`,
  features: {
    flights: int64({ as: 'number', description: 'flights that have landed' }),
    delay_mean: float64({ description: 'mean delay in minutes' }),
    late_share: float64({ description: 'share of flights more than 15 minutes late' }),
  },
})

/** Delays on a route over a day, every day. */
export const routeDelays = featureGroup('route_delays', {
  description: 'flights of a route on one day',
  entity: route,
  owner: 'ops-ml',
  tags: ['delay', 'daily'],
  sources: [flights],
  every: '1d',
  lookback: '1d',
  ttl: '30d',
  query: `SELECT origin, destination, (time_bucket(INTERVAL 1 DAY, date) + INTERVAL 1 DAY) AT TIME ZONE 'UTC' AS event_timestamp,
                 count(*) AS flights, avg(delay) AS delay_mean, avg((delay > 15)::INTEGER) AS late_share
          FROM flights GROUP BY ALL`,
  features: {
    flights: int64({ as: 'number' }),
    delay_mean: float64({ default: 0 }),
    late_share: float64({ default: 0.2 }),
  },
})

/** What the one who asks knows about the flight. */
export const flight = request('flight', { fields: { scheduled: timestamp(), distance: int32() } })

/** What is computed when asked, by the same code in serving and in training. */
export const flightContext = onDemand('flight_context', {
  module: import.meta.url,
  owner: 'ops-ml',
  inputs: {
    scheduled: flight.field('scheduled'),
    distance: flight.field('distance'),
    route_updated: routeDelays.eventTime(),
  },
  features: {
    hour_of_day: int32(),
    weekday: int32({ description: '0 is Monday' }),
    distance_band: string({ description: 'short, medium or long' }),
    minutes_since_route: float64({ description: 'minutes since the newest row of the route' }),
  },
  compute: ({ scheduled, distance, route_updated }, at) => ({
    hour_of_day: scheduled === null ? null : Number((scheduled % DAY) / HOUR),
    weekday: scheduled === null ? null : Number((scheduled / DAY + 3n) % 7n),
    distance_band: distance === null ? null : distance < 500 ? 'short' : distance < 1500 ? 'medium' : 'long',
    minutes_since_route: route_updated === null ? null : (at - route_updated) / Number(MINUTE),
  }),
})

/** What the model reads. */
export const delayModel = featureService('delay_model', {
  description: 'will the flight leave more than 15 minutes late?',
  owner: 'ops-ml',
  features: [
    alias(airportDelays, 'origin', { airport: 'origin' }),
    alias(airportDelays, 'destination', { airport: 'destination' }),
    alias(routeDelays, 'route', {}),
    flightContext,
  ],
  consumers: [{ model: 'flight_delay', version: '1', team: 'ops-ml' }],
})

export default project('flights', [delayModel])
