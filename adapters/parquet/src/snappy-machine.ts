/**
 * The inner loop of Snappy as machine code for WebAssembly, written out here: it moves 16 bytes at a time and needs no check of
 * bounds for each of them, which makes it twice as fast as the same loop in JavaScript.
 *
 * `decode(at, end, out, outEnd)` decodes from address `at` to address `out` while both are before their ends. It answers the
 * address behind the last byte written, with the next tag's address in the global `at`; or 0 for a copy of what was not written.
 * Steps go up to {@link STEP_BYTES} beyond either end; a long literal that would is left to the caller.
 */

/** How far a step may read and write beyond the end that is given. */
export const STEP_BYTES = 72

/** The loop, and the memory that it works in. */
export interface SnappyMachine {
  readonly bytes: Uint8Array
  /** The address of the next tag, after a call of `decode`. */
  at(): number
  decode(at: number, end: number, out: number, outEnd: number): number
}

/** What is used of WebAssembly. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly at: { readonly value: number }
      readonly decode: SnappyMachine['decode']
    }
  }
}

/** @param size of the memory, in bytes */
export function snappyMachine(size: number): SnappyMachine {
  const pages = Math.ceil(size / 65_536)
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly
  const { memory, at, decode } = new Instance(new Module(moduleBytes(pages))).exports
  return { bytes: new Uint8Array(memory.buffer), at: () => at.value, decode }
}

type Code = readonly number[]

/** Numbers of the variables; the first four are given. */
const [AT, END, OUT, OUT_END, TAG, LENGTH, OFFSET, FIRST, LAST, START] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const
const EMPTY = 0x40
const get = (local: number): Code => [0x20, local]
const set = (local: number, ...value: readonly Code[]): Code => [...value.flat(), 0x21, local]
const number = (value: number): Code => [0x41, ...signed(value)]
const binary =
  (code: number) =>
  (left: Code, right: Code): Code => [...left, ...right, code]
const equal = binary(0x46)
const isBelow = binary(0x49)
const isAbove = binary(0x4b)
const isAtLeast = binary(0x4f)
const add = binary(0x6a)
const subtract = binary(0x6b)
const multiply = binary(0x6c)
const and = binary(0x71)
const or = binary(0x72)
const shiftLeft = binary(0x74)
const shiftRight = binary(0x76)
const byteAt = (address: Code, offset = 0): Code => [...address, 0x2d, 0, offset]
const shortAt = (address: Code, offset = 0): Code => [...address, 0x2f, 0, offset]
const wordAt = (address: Code, offset = 0): Code => [...address, 0x28, 0, offset]
const block = (...body: readonly Code[]): Code => [0x02, EMPTY, ...body.flat(), 0x0b]
const loop = (...body: readonly Code[]): Code => [0x03, EMPTY, ...body.flat(), 0x0b]
const when = (condition: Code, then: Code, otherwise: Code = []): Code => [
  ...condition,
  0x04,
  EMPTY,
  ...then,
  ...(otherwise.length === 0 ? [] : [0x05, ...otherwise]),
  0x0b,
]
/** Leaves the `depth`-th block around it, or begins that loop again. */
const goTo = (depth: number): Code => [0x0c, depth]
const goToIf = (condition: Code, depth: number): Code => [...condition, 0x0d, depth]
const answer = (value: Code): Code => [...value, 0x0f]
/** Moves bytes from one address to another. */
const move16 = (to: Code, from: Code, offset: number): Code => [
  ...to,
  ...from,
  0xfd,
  0x00,
  0,
  offset,
  0xfd,
  0x0b,
  0,
  offset,
]
const move8 = (to: Code, from: Code, offset: number): Code => [
  ...to,
  ...from,
  0x29,
  0,
  offset,
  0x37,
  0,
  offset,
]
const move1 = (to: Code, from: Code): Code => [...to, ...byteAt(from), 0x3a, 0, 0]
const moveAll = (to: Code, from: Code, length: Code): Code => [...to, ...from, ...length, 0xfc, 10, 0, 0]

/** Up to 64 bytes from `FIRST`, which is elsewhere. */
const moveWide: Code = [
  ...move16(get(OUT), get(FIRST), 0),
  ...when(isAbove(get(LENGTH), number(16)), [
    ...move16(get(OUT), get(FIRST), 16),
    ...move16(get(OUT), get(FIRST), 32),
    ...move16(get(OUT), get(FIRST), 48),
  ]),
]

/** `LENGTH` bytes from `FIRST`, 8 or 1 at a time: what lies further ahead is what was just written. */
const moveOn = (width: 1 | 8): Code => [
  ...set(LAST, get(OUT)),
  ...set(TAG, add(get(OUT), get(LENGTH))),
  ...loop(
    width === 8 ? move8(get(LAST), get(FIRST), 0) : move1(get(LAST), get(FIRST)),
    set(FIRST, add(get(FIRST), number(width))),
    set(LAST, add(get(LAST), number(width))),
    goToIf(isBelow(get(LAST), get(TAG)), 0),
  ),
]

/** A literal of more than 60 bytes: its length stands in up to four bytes of its own. Within the loop and a condition. */
const longLiteral: Code = [
  ...set(TAG, subtract(get(LENGTH), number(60))),
  ...set(
    LENGTH,
    add(
      and(wordAt(get(AT), 1), shiftRight(number(-1), subtract(number(32), shiftLeft(get(TAG), number(3))))),
      number(1),
    ),
  ),
  ...set(FIRST, add(add(get(AT), number(1)), get(TAG))),
  // What goes too far, or is no length at all, is looked at by the caller.
  ...goToIf(
    isAtLeast(subtract(get(LENGTH), number(1)), subtract(add(get(END), number(STEP_BYTES)), get(FIRST))),
    3,
  ),
  ...goToIf(isAbove(get(LENGTH), subtract(add(get(OUT_END), number(STEP_BYTES)), get(OUT))), 3),
  ...moveAll(get(OUT), get(FIRST), get(LENGTH)),
  ...set(AT, add(get(FIRST), get(LENGTH))),
]

const literal: Code = [
  ...set(LENGTH, add(shiftRight(get(TAG), number(2)), number(1))),
  ...when(isAbove(get(LENGTH), number(60)), longLiteral, [
    ...set(FIRST, add(get(AT), number(1))),
    ...moveWide,
    ...set(AT, add(get(FIRST), get(LENGTH))),
  ]),
]

/**
 * Lengths and offsets of copies of two kinds, which follow one another by chance, are worked out without a branch: a wrong guess
 * of the processor costs more than all of it.
 */
const shortCopy: Code = [
  // 1 where the offset has two bytes, 0 where it has one and three bits of the tag.
  ...set(LAST, shiftRight(and(get(TAG), number(2)), number(1))),
  ...set(
    LENGTH,
    subtract(
      add(and(shiftRight(get(TAG), number(2)), or(number(7), multiply(get(LAST), number(0x38)))), number(4)),
      multiply(get(LAST), number(3)),
    ),
  ),
  ...set(
    OFFSET,
    or(
      and(shortAt(get(AT), 1), or(number(0xff), multiply(get(LAST), number(0xff00)))),
      and(shiftLeft(get(TAG), number(3)), and(number(0x700), subtract(get(LAST), number(1)))),
    ),
  ),
  ...set(AT, add(add(get(AT), number(2)), get(LAST))),
]

const farCopy: Code = [
  ...set(LENGTH, add(shiftRight(get(TAG), number(2)), number(1))),
  ...set(OFFSET, wordAt(get(AT), 1)),
  ...set(AT, add(get(AT), number(5))),
]

const copy: Code = [
  ...when(equal(and(get(TAG), number(3)), number(3)), farCopy, shortCopy),
  // An offset of 0 lies beyond all of them by this.
  ...when(isAtLeast(subtract(get(OFFSET), number(1)), subtract(get(OUT), get(START))), answer(number(0))),
  ...set(FIRST, subtract(get(OUT), get(OFFSET))),
  ...when(
    isAtLeast(get(OFFSET), number(8)),
    [
      ...move8(get(OUT), get(FIRST), 0),
      ...move8(get(OUT), get(FIRST), 8),
      ...when(isAbove(get(LENGTH), number(16)), moveOn(8)),
    ],
    moveOn(1),
  ),
]

const decode: Code = [
  ...set(START, get(OUT)),
  ...block(
    loop(
      goToIf(isAtLeast(get(AT), get(END)), 1),
      goToIf(isAtLeast(get(OUT), get(OUT_END)), 1),
      set(TAG, byteAt(get(AT))),
      when(and(get(TAG), number(3)), copy, literal),
      set(OUT, add(get(OUT), get(LENGTH))),
      goTo(0),
    ),
  ),
  ...get(AT),
  0x24,
  0,
  ...get(OUT),
  0x0b,
]

function moduleBytes(pages: number): Uint8Array<ArrayBuffer> {
  const section = (id: number, ...items: readonly Code[]): Code => {
    const body = [items.length, ...items.flat()]
    return [id, ...unsigned(body.length), ...body]
  }
  const name = (text: string): Code => [text.length, ...Buffer.from(text)]
  const [WORD, WHOLE] = [0x7f, 6]
  const code: Code = [1, WHOLE, WORD, ...decode]
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [0x60, 4, WORD, WORD, WORD, WORD, 1, WORD]),
    ...section(3, [0]),
    ...section(5, [1, ...unsigned(pages), ...unsigned(pages)]),
    ...section(6, [WORD, 1, 0x41, 0, 0x0b]),
    ...section(7, [...name('memory'), 2, 0], [...name('at'), 3, 0], [...name('decode'), 0, 0]),
    ...section(10, [...unsigned(code.length), ...code]),
  ])
}

/** LEB128, as WebAssembly has its numbers. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return bytes
}

function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ;) {
    const byte = rest & 0x7f
    rest >>= 7
    if (rest === (byte < 0x40 ? 0 : -1)) return [...bytes, byte]
    bytes.push(byte | 0x80)
  }
}
