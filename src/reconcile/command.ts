/** `fairslot reconcile`: works on Redis itself, and says what it found. */
import { isRefusal } from '../refusal.ts';
import { KINDS } from './findings.ts';
import type { Reconciler, Reported, ReleaseReport, RunReport } from './service.ts';

type Output = { readonly write: (text: string) => unknown };

export type ReconcileCommand = {
  readonly release?: string | undefined;
  readonly json: boolean;
  readonly repair: boolean;
  readonly verify: boolean;
};

export const STATUS = { right: 0, wrong: 1, usage: 2 } as const;

const asRun = (report: ReleaseReport): RunReport => {
  const { counts, isComplete, ms } = report;
  const incomplete = isComplete ? 0 : 1;
  return { releases: [report], strays: [], counts, isComplete, incomplete, ms };
};

/** Exit status: wrong also where a release could not be read, for nothing is known of it then. */
export async function reconcileCommand(
  reconciler: Pick<Reconciler, 'release' | 'all'>,
  { release, json, ...wishes }: ReconcileCommand,
  { out, err, onStep }: { out: Output; err: Output; onStep: () => void },
): Promise<number> {
  const report = release
    ? await reconciler.release(release, { ...wishes, onStep })
    : await reconciler.all({ ...wishes, onStep });
  if (isRefusal(report)) {
    err.write(`There is no release ${release}.\n`);
    return STATUS.usage;
  }
  const run = 'release' in report ? asRun(report) : report;
  out.write(json ? `${JSON.stringify(run)}\n` : textOf(run));
  const left = KINDS.some((kind) => run.counts[kind] > 0);
  return left || !run.isComplete ? STATUS.wrong : STATUS.right;
}

const findingLine = ({ kind, where, expected, found, repaired }: Reported): string =>
  `  ${repaired ? 'repaired ' : ''}${kind}: ${where}: expected ${expected}, found ${found}\n`;

function releaseText({
  release,
  isComplete,
  entries,
  rounds,
  findings,
  ms,
}: ReleaseReport): string {
  if (!isComplete) return `${release}: rounds came between again and again; try once more\n`;
  const verdict = findings.length === 0 ? 'all is right' : `${findings.length} findings listed`;
  const head = `${release}: ${verdict}; ${entries} entries, ${rounds} rounds, ${ms} ms\n`;
  return head + findings.map(findingLine).join('');
}

function textOf({ releases, strays, counts, ms }: RunReport): string {
  const kinds = KINDS.flatMap((kind) => (counts[kind] > 0 ? [`${kind} ${counts[kind]}`] : []));
  const verdict = kinds.length === 0 ? 'nothing is wrong' : `not right: ${kinds.join(', ')}`;
  const stray = strays.length === 0 ? '' : 'claims of no release:\n';
  return [
    ...releases.map(releaseText),
    stray,
    ...strays.map(findingLine),
    `${releases.length} releases in ${ms} ms: ${verdict}\n`,
  ].join('');
}
