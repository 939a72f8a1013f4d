import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Turns } from './turns.ts'

const soon = async (): Promise<void> => await new Promise((go) => setImmediate(go))

it('lets a few work at once, in the order in which they asked, and passes a turn on when one fails', async () => {
  const turns = new Turns(2, 10)
  const began: number[] = []
  const ends: (() => void)[] = []
  const takes = [0, 1, 2, 3, 4].map(
    async (name) =>
      await turns.take(async (turn) => {
        await turn()
        began.push(name)
        await new Promise<void>((go) => (ends[name] = go))
        if (name === 1) throw new Error('it failed')
        return name
      }),
  )
  const all = Promise.allSettled(takes)
  await soon()
  assert.deepEqual(began, [0, 1])
  ends[1]!()
  await soon()
  assert.deepEqual(began, [0, 1, 2])
  ends[0]!()
  ends[2]!()
  await soon()
  assert.deepEqual(began, [0, 1, 2, 3, 4])
  ends[3]!()
  ends[4]!()
  assert.deepEqual(
    (await all).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
  )
  assert.equal(await turns.take(async (turn) => (await turn(), 'free')), 'free')
})

it('refuses those beyond, also while they only prepare, and frees the place of one that never began', async () => {
  const turns = new Turns(1, 2)
  let fail: (error: Error) => void = () => {}
  const preparing = turns.take(async () => await new Promise<void>((_, no) => (fail = no)))
  const other = turns.take(async (turn) => await turn())
  await assert.rejects(
    turns.take(async () => {}),
    { code: 'overloaded', retryable: true },
  )
  await other
  fail(new Error('the client went away'))
  await assert.rejects(preparing, /went away/)
  const two = await Promise.all(
    [1, 2].map(async (name) => await turns.take(async (turn) => (await turn(), name))),
  )
  assert.deepEqual(two, [1, 2])
})
