/** The same bytes; `onProgress` is told how many there were so far. */
export async function* tapBytes<T extends Uint8Array>(
  bytes: AsyncIterable<T>,
  onProgress: (total: number) => void,
): AsyncGenerator<T, void, undefined> {
  let total = 0;
  for await (const chunk of bytes) {
    yield chunk;
    total += chunk.length;
    onProgress(total);
  }
}
