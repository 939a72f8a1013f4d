/**
 * Whether the process that an owner `pid:random` names is known to be gone from this machine. An owner in another form
 * is never known to be dead, nor is one whose number has passed to another process.
 */
export function isDeadOwner(owner: string): boolean {
  const pid = Number(/^(\d{1,10}):/.exec(owner)?.[1] ?? Number.NaN)
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as { code?: unknown }).code === 'ESRCH'
  }
}
