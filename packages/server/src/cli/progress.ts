import { Presets, SingleBar } from 'cli-progress';

/** How far a long piece of work has come. Shown on stderr when that is a terminal, otherwise not at all. */
export interface Progress {
  /** Sets how much is done. */
  update(done: number): void;
  /** Takes the bar away; call it however the work ended. */
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** Starts a bar named `label`. Without a `total` only a count is shown. */
export function startProgress(label: string, total?: number): Progress {
  if (!process.stderr.isTTY) return SILENT;
  const bar = new SingleBar(
    { format: total === undefined ? COUNT : BAR, stream: process.stderr, clearOnComplete: true, hideCursor: true, etaBuffer: 100 },
    Presets.shades_classic,
  );
  bar.start(total ?? 0, 0, { label });
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}

const BAR = '{label} {bar} {percentage}% | {value}/{total} | {eta_formatted} left';
const COUNT = '{label} {value} | {duration_formatted}';
