/** Properties of what goes on in Redis, for as long as their time lasts. */
import fc from 'fast-check';
import { monotonicMs } from '../../src/lib/clock.ts';

/**
 * fc.assert for `withinMs`, measured from here: a run that has begun is seen to its end, and there is
 * one at least, however slow the machine is. (fast-check's own interruptAfterTimeLimit leaves a run
 * behind that goes on beside the next test, and fails where none was over.)
 */
export async function assertProperty<Input>(
  inputs: fc.Arbitrary<Input>,
  holds: (input: Input) => Promise<void>,
  { withinMs = Infinity, ...parameters }: fc.Parameters<[Input]> & { readonly withinMs?: number },
): Promise<void> {
  const endMs = monotonicMs() + withinMs;
  let runs = 0;
  const property = fc.asyncProperty(inputs, async (input) => {
    if (runs > 0 && monotonicMs() > endMs) return;
    runs += 1;
    await holds(input);
  });
  await fc.assert(property, parameters);
}
