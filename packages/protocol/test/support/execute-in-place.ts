import { signBytes, verifyBytes } from '../../src/signature/algorithms.ts';
import type { SignatureExecutor } from '../../src/signature/executor.ts';

/** Does what it is asked here and now, and counts. */
export function executeInPlace(): SignatureExecutor & { readonly asked: () => number; readonly paused: () => number } {
  let asked = 0;
  let paused = 0;
  return {
    sign: async ({ algorithm, key, content }) => {
      asked += 1;
      return signBytes(algorithm, key, content);
    },
    verify: async (check) => {
      asked += 1;
      return verifyBytes(check);
    },
    pause: async () => {
      paused += 1;
    },
    asked: () => asked,
    paused: () => paused,
  };
}
