import { readFileSync, writeFileSync } from 'node:fs';

/** What a process has had in memory at most (Linux): its own pages and those of files, `VmHWM`, in MB (10^6 bytes). */
export function readPeakMemory(pid: number): number {
  return readField(pid, 'VmHWM');
}

/** What it has now. */
export function readMemory(pid: number): number {
  return readField(pid, 'VmRSS');
}

/** Measures anew from here on. */
export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

function readField(pid: number, name: string): number {
  const kibibytes = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kibibytes === undefined) throw new Error(`process ${pid} does not tell its ${name}`);
  return (Number(kibibytes) * 1024) / 1e6;
}
