// @ts-check
/** The files of a release from the server that this page came from. */

/**
 * @param {string} address
 * @returns {Promise<Response>}
 */
async function get(address) {
  const response = await fetch(address, { credentials: 'omit' });
  if (response.ok) return response;
  await response.body?.cancel();
  throw new Error(
    response.status === 404
      ? 'This server knows no release of that name, or has published no draw of it yet.'
      : `The server answered with status ${response.status}.`,
  );
}

/**
 * @param {string} base address that /v1 is below
 * @param {string} release
 * @returns {Promise<import('./streams.js').Source[]>}
 */
export async function filesOf(base, release) {
  const rounds = new URL(`v1/releases/${encodeURIComponent(release)}/rounds`, base).href;
  /** @type {unknown} */
  const listed = await get(rounds)
    .then((response) => response.json())
    .catch((fault) => {
      if (fault instanceof SyntaxError) throw new Error('The server is no engine of this kind.');
      throw fault;
    });
  const list = /** @type {{rounds?: unknown} | null} */ (listed)?.rounds;
  const numbers = Array.isArray(list) ? list.map((one) => Number(one?.round)) : [];
  if (!numbers.every(Number.isSafeInteger)) throw new Error('The server lists no rounds.');
  if (numbers.length === 0) throw new Error('This release has no published round yet.');
  return numbers
    .toSorted((a, b) => a - b)
    .map((round) => ({
      name: `${release}-round-${round}.ndjson.gz`,
      stream: async () => {
        const { body } = await get(`${rounds}/${round}/transcript`);
        if (!body) throw new Error('The server sent nothing.');
        return body;
      },
    }));
}
