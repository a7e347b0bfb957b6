/** Progress on stderr: a bar on a terminal, a plain line every two seconds elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export type Phase = { readonly advance: () => void; readonly done: () => void };
export type Progress = (title: string, total: number) => Phase;

const LINE_EVERY_MS = 2_000;
const TITLE_WIDTH = 34;

export const createProgress = (stream: NodeJS.WriteStream): Progress =>
  stream.isTTY ? barOn(stream) : linesOn(stream);

/** Nothing is shown of what is over before. */
const SHOW_AFTER_MS = 2_000;

/** A phase that is shown once it takes a while. */
export function createLatePhase(stream: NodeJS.WriteStream, title: string, total: number): Phase {
  let shown: Phase | undefined;
  let advanced = 0;
  const showing = setTimeout(() => {
    shown = createProgress(stream)(title, total);
    for (let i = 0; i < advanced; i++) shown.advance();
  }, SHOW_AFTER_MS);
  return {
    advance: () => {
      advanced++;
      shown?.advance();
    },
    done: () => {
      clearTimeout(showing);
      shown?.done();
    },
  };
}

const barOn =
  (stream: NodeJS.WriteStream): Progress =>
  (title, total) => {
    const bar = new SingleBar(
      {
        stream,
        format: `${title.padEnd(TITLE_WIDTH)} {bar} {value}/{total}  {duration_formatted}`,
        hideCursor: true,
      },
      Presets.shades_classic,
    );
    bar.start(total, 0);
    return { advance: () => bar.increment(), done: () => bar.stop() };
  };

const linesOn =
  (stream: NodeJS.WriteStream): Progress =>
  (title, total) => {
    let value = 0;
    const print = (): void => void stream.write(`${title}: ${value}/${total}\n`);
    const timer = setInterval(print, LINE_EVERY_MS);
    return {
      advance: () => {
        value++;
      },
      done: () => {
        clearInterval(timer);
        print();
      },
    };
  };
