/** Properties of what goes on in Redis, for as long as their time lasts. */
import fc from 'fast-check';

/**
 * fc.assert, which leaves the run behind that its time limit interrupts: this one sees it to its end,
 * so that it neither goes on beside the next test nor fails unseen.
 */
export async function assertProperty<Input>(
  inputs: fc.Arbitrary<Input>,
  holds: (input: Input) => Promise<void>,
  parameters: fc.Parameters<[Input]>,
): Promise<void> {
  let last = Promise.resolve();
  const property = fc.asyncProperty(inputs, (input) => {
    last = holds(input);
    return last;
  });
  try {
    await fc.assert(property, parameters);
  } catch (failure) {
    await last.catch(() => undefined);
    throw failure;
  }
  await last;
}
