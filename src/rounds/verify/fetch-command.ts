/** `fairslot draw fetch`: saves what anyone needs to verify a release. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { z } from 'zod';
import type { Problem } from '../../command-line.ts';

/** The server may be anyone's: its answers name no file, and fill no disk. */
const Rounds = z.object({
  rounds: z.array(z.object({ round: z.int().min(0), digest: z.string().regex(/^[0-9a-f]{64}$/) })),
});
const TRANSCRIPT_BYTES_MAX = 4 * 2 ** 30;
/** A list of 20,000 rounds is a fifth of this. */
const LIST_LENGTH_MAX = 16 * 2 ** 20;
/** Of an answer that says what went wrong. */
const PROBLEM_LENGTH_MAX = 400;

async function get(url: URL): Promise<Response | Problem> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    const reason = error instanceof Error ? (error.cause ?? error) : error;
    return { problem: `No engine answers at ${url.origin} (${String(reason)}).` };
  }
  if (response.ok) return response;
  const text = (await startOf(response, PROBLEM_LENGTH_MAX)).replaceAll(/[^\x20-\x7e]/g, '?');
  return { problem: `${url.pathname} answered ${response.status}: ${text}` };
}

const bodyOf = ({ body }: Response): Readable =>
  body ? Readable.fromWeb(body as ReadableStream<Uint8Array>) : Readable.from([]);

/** As much as is wanted of an answer that ought to be short. */
async function startOf(response: Response, longest: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(response) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= longest) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, longest);
}

async function roundsOf(
  response: Response,
): Promise<z.output<typeof Rounds>['rounds'] | undefined> {
  try {
    return Rounds.parse(JSON.parse(await startOf(response, LIST_LENGTH_MAX))).rounds;
  } catch {
    return undefined;
  }
}

async function* bounded(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > TRANSCRIPT_BYTES_MAX)
      throw new Error(`the transcript is longer than ${TRANSCRIPT_BYTES_MAX} bytes`);
    yield chunk;
  }
}

/** A file with its name is a whole transcript: what arrives is written beside it first. */
async function save(response: Response, file: string): Promise<void> {
  const arriving = `${file}.part`;
  try {
    await pipeline(bodyOf(response), bounded, createWriteStream(arriving));
    await rename(arriving, file);
  } finally {
    await rm(arriving, { force: true });
  }
}

/**
 * Saves the transcripts of all published rounds of a release in the directory `to`, and tells of
 * each as soon as it is there. Answers what went wrong, if anything.
 */
export async function fetchTranscripts(
  { url, release, to }: { readonly url: string; readonly release: string; readonly to: string },
  tell: (line: string) => void,
): Promise<Problem | undefined> {
  const path = `/v1/releases/${encodeURIComponent(release)}/rounds`;
  const listed = await get(new URL(path, url));
  if ('problem' in listed) return listed;
  const rounds = await roundsOf(listed);
  if (!rounds) return { problem: `${path} did not answer a list of rounds.` };
  if (rounds.length === 0) return { problem: `${release} has no published round yet.` };
  for (const { round, digest } of rounds) {
    const file = join(to, `${encodeURIComponent(release)}-round-${round}.ndjson.gz`);
    const answered = await get(new URL(`${path}/${round}/transcript`, url));
    if ('problem' in answered) return answered;
    try {
      await save(answered, file);
    } catch (error) {
      return { problem: `${file}: ${error instanceof Error ? error.message : String(error)}` };
    }
    tell(`${file}  digest ${digest}`);
  }
  return undefined;
}
