import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { makeEnvironment, pipeDci, runDci } from './dci.ts';
import { findDataFolder } from './prepare.ts';

/**
 * How well persons who were registered twice are found: in a generated population, of which it is known who is whose second
 * record and what went wrong with it, by the commands that an operator would use.
 */
export interface MatchingBenchOptions {
  readonly persons: number;
  /** Of the persons that are registered twice, 0 to 1. */
  readonly share: number;
  readonly seed: number;
}

export interface MatchingBench {
  readonly options: MatchingBenchOptions;
  /** Pairs of records of one person. */
  readonly pairs: number;
  /** At each least probability, the highest first. */
  readonly thresholds: readonly Threshold[];
  /** How long `dci duplicates` took, the index included. */
  readonly seconds: number;
}

export interface Threshold {
  readonly least: number;
  readonly found: number;
  /** Found pairs that are of one person. */
  readonly right: number;
  readonly precision: number;
  readonly recall: number;
  /** By what went wrong; a pair in which two things did counts for both. */
  readonly kinds: readonly KindRecall[];
}

export interface KindRecall {
  readonly kind: string;
  readonly pairs: number;
  readonly found: number;
  readonly recall: number;
}

const THRESHOLDS = [0.9, 0.5];
const LEAST = Math.min(...THRESHOLDS);

export async function benchMatching(options: MatchingBenchOptions, say: (text: string) => void): Promise<MatchingBench> {
  const { persons, share, seed } = options;
  const folder = findDataFolder('matching');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const environment = makeEnvironment({ DCI_DATA_DIR: folder });
  const truthFile = `${folder}/truth.ndjson`;
  try {
    say(`generating and importing ${persons} persons, ${share * 100} % of them twice`);
    const generate = ['generate', '--persons', `${persons}`, '--seed', `${seed}`, '--duplicates', `${share}`, '--truth', truthFile];
    await pipeDci(environment, generate, ['import', '--registry', 'social', '-']);
    say('looking for duplicates');
    const begun = performance.now();
    const found = await runDci(environment, 'duplicates', '--registry', 'social', '--least', String(LEAST), '--json');
    const seconds = (performance.now() - begun) / 1_000;
    return { options, seconds, ...judgePairs(readLines<TruePair>(readFileSync(truthFile, 'utf8')), readLines<FoundPair>(found)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A line of `dci generate --truth`. */
export interface TruePair {
  readonly identifier: string;
  readonly duplicate_of: string;
  readonly mistakes: readonly string[];
}

/** A line of `dci duplicates --json`. */
export interface FoundPair {
  readonly probability: number;
  readonly records: readonly [string, string];
}

export function judgePairs(truth: readonly TruePair[], found: readonly FoundPair[]): Pick<MatchingBench, 'pairs' | 'thresholds'> {
  const mistakesOf = new Map(truth.map(({ identifier, duplicate_of: original, mistakes }) => [nameOf(identifier, original), mistakes]));
  const kinds = [...new Set(truth.flatMap(({ mistakes }) => mistakes))].toSorted();
  const countOf = (pairs: Iterable<readonly string[]>, kind: string): number =>
    [...pairs].filter((mistakes) => mistakes.includes(kind)).length;
  const thresholds = THRESHOLDS.map((least): Threshold => {
    const likely = found.filter(({ probability }) => probability >= least);
    const right = findRight(likely, mistakesOf);
    return {
      least,
      found: likely.length,
      right: right.length,
      precision: right.length / likely.length,
      recall: right.length / truth.length,
      kinds: kinds.map((kind) => {
        const [all, some] = [countOf(mistakesOf.values(), kind), countOf(right, kind)];
        return { kind, pairs: all, found: some, recall: some / all };
      }),
    };
  });
  return { pairs: truth.length, thresholds };
}

function findRight(likely: readonly FoundPair[], mistakesOf: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  return likely.flatMap(({ records }) => {
    const mistakes = mistakesOf.get(nameOf(...records));
    return mistakes === undefined ? [] : [mistakes];
  });
}

function nameOf(one: string, other: string): string {
  return [one, other].toSorted().join(' ');
}

function readLines<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
