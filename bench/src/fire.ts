import { openConnection } from './connection.ts';

/** A request ready to be sent, and what its answer must contain. */
export interface Shot {
  readonly request: Uint8Array;
  /** Text that stands in every right answer: the identifier that was asked for. */
  readonly expected: readonly string[];
}

export interface Round {
  readonly requests: number;
  readonly seconds: number;
  readonly latencies: readonly number[];
  /** Every so-many-th exchange, kept for a closer look once the clock is stopped. */
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly shot: Shot;
  readonly body: string;
}

interface Aim {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly shots: readonly Shot[];
}

const SAMPLE_EVERY = 100;

/**
 * Sends the shots, each once, over `connections` connections, for `seconds` or until none is left. Throws on the first
 * answer that is not 200 or does not hold what was asked for.
 */
export async function fire(aim: Aim): Promise<Round> {
  const connections = await Promise.all(Array.from({ length: aim.connections }, () => openConnection(aim.port)));
  const latencies: number[] = [];
  const samples: Sample[] = [];
  let next = 0;
  const begin = performance.now();
  const deadline = begin + aim.seconds * 1000;

  async function work(connection: (typeof connections)[number]): Promise<void> {
    for (let sent = performance.now(); sent < deadline; sent = performance.now()) {
      const index = next++;
      const shot = aim.shots[index];
      if (shot === undefined) return;
      const answer = await connection.exchange(shot.request);
      latencies.push(performance.now() - sent);
      if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.body.toString('utf8').slice(0, 500)}`);
      const missing = shot.expected.find((text) => !answer.body.includes(text));
      if (missing !== undefined) throw new Error(`the answer lacks ${missing}: ${answer.body.toString('utf8').slice(0, 500)}`);
      if (index % SAMPLE_EVERY === 0) samples.push({ shot, body: answer.body.toString('utf8') });
    }
  }

  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  return { requests: latencies.length, seconds: (performance.now() - begin) / 1000, latencies, samples };
}
